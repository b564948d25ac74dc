import { setTimeout as pause } from 'node:timers/promises'
import { AppError, Throttled } from '@lockstep/contracts'
import { type FencedLock, graphAccess } from '@lockstep/service'
import { type GraphAccess, metaClockMarginMs } from '@lockstep/whatsapp'
import { v7 as uuid } from 'uuid'
import { announceStatuses } from '../announce-statuses.ts'
import type { Context } from '../context.ts'
import { endRun } from '../db/sync-runs.ts'
import { markRemoved, writePage } from '../db/templates.ts'
import { uniqueTemplates } from '../template.ts'

/** A run of a connection's sync, by the holder of the connection's lock. */
export interface Run {
  runId: string
  accountId: string
  connectionId: string
  lock: FencedLock
}

/**
 * Reads the list of a WABA page by page, marks what it did not hold as deleted, and ends the run.
 */
export async function readList(ctx: Context, run: Run, wabaId: string): Promise<void> {
  const { accountId, connectionId, runId, lock } = run
  const access = await accessFor(ctx, run, wabaId)
  const request = { wabaId, ...access, signal: lock.signal }
  const pages = ctx.graph.listTemplates(request)[Symbol.asyncIterator]()
  for (let isFirst = true; ; isFirst = false) {
    await waitForGrant(ctx, run, isFirst)
    const askedAt = new Date(ctx.now())
    const { done, value } = await pages.next()
    if (done) break
    const page = {
      ...{ runId, wabaId, askedAt },
      templates: uniqueTemplates(value).map(({ id: metaId, ...template }) => ({
        ...template,
        metaId,
        id: uuid(),
      })),
      updatesSince: new Date(askedAt.getTime() - metaClockMarginMs),
    }
    await lock.transaction(accountId, async (tx) =>
      announceStatuses(ctx, tx, await writePage(tx, page)),
    )
  }
  const removed = await lock.transaction(accountId, async (tx) => {
    const gone = await markRemoved(tx, runId, wabaId)
    await announceStatuses(ctx, tx, gone)
    await endRun(tx, runId, { removed: gone.length })
    return gone.length
  })
  ctx.log.info({ connection: connectionId, run: runId, removed }, 'Templates were synced')
}

/**
 * What the connection calls Graph with; `precondition` when it has left the run's WABA, by which updates find the
 * run.
 */
async function accessFor(
  ctx: Context,
  { accountId, connectionId, lock: { signal } }: Run,
  wabaId: string,
): Promise<GraphAccess> {
  const connection = await ctx.peers.accounts.getConnection(
    { id: connectionId },
    { accountId, signal },
  )
  if (connection.wabaId !== wabaId)
    throw new AppError(
      'precondition',
      `The number is in the WhatsApp Business Account ${connection.wabaId} now; sync its templates again`,
    )
  return graphAccess(ctx.secrets, connection)
}

/**
 * Waits for a grant, one a page. Throws `throttled` when the first would take long; later ones wait
 * in place, for a long list would never end by starting over.
 */
async function waitForGrant(
  ctx: Context,
  { connectionId, lock: { signal } }: Run,
  isFirst: boolean,
): Promise<void> {
  for (;;) {
    const grant = await ctx.limiter.take('template_sync_rate_limit', connectionId)
    if (grant.ok) return
    if (isFirst && grant.retryAfterMs > ctx.times.firstGrantMs)
      throw new Throttled(
        'The limit of template calls of this connection is used up',
        grant.retryAfterMs,
      )
    await pause(grant.retryAfterMs, undefined, { signal })
  }
}
