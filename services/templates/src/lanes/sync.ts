import { setTimeout as pause } from 'node:timers/promises'
import {
  AppError,
  failureOf,
  failures,
  messageOf,
  secretPlaces,
  Throttled,
} from '@lockstep/contracts'
import { type Fence, fence, isDatabaseUnavailable, type Tx } from '@lockstep/database'
import { LockBusy } from '@lockstep/locks'
import { type EntryResult, holdFenced, type LaneHandler } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { beginRun, endRun, markRemoved, writePage } from '../db/queries.ts'
import { clockMarginMs, uniqueTemplates } from '../template.ts'

/** A try of one run, and what it needs to be the only one. */
interface Try {
  runId: string
  accountId: string
  connectionId: string
  fence: Fence
  signal: AbortSignal
}

const busyMs = 5_000
/** A run waits this long for its first turn; past it the lane goes back to others. */
const patienceMs = 5_000
/** A run that Meta keeps from ending is failed after this, so that a person sees why. */
const giveUpMs = 15 * 60_000

/** Reads the templates of a connection's WABA. A run that was cut off starts over: its rows are written again, nothing is twice. */
export const sync: LaneHandler<Context> = async (ctx, connectionId, entries, lease) => {
  try {
    await using held = await holdFenced(ctx, 'template_sync', connectionId, {
      signal: lease.signal,
    })
    const signal = AbortSignal.any([lease.signal, held.signal])
    const results: EntryResult[] = []
    for (const { id, rowId, accountId } of entries)
      results.push({
        id,
        ...(await attempt(ctx, {
          runId: rowId,
          accountId,
          connectionId,
          fence: held.fence,
          signal,
        })),
      })
    return results
  } catch (error) {
    // Another holds the lock, or has taken it over, and is doing this very work.
    if (!(error instanceof LockBusy) && failureOf(error) !== 'conflict') throw error
    return entries.map(({ id }) => ({ id, laterMs: busyMs * ctx.scale }))
  }
}

async function attempt(ctx: Context, run: Try): Promise<{ outcome: string } | { laterMs: number }> {
  const begun = await guarded(ctx, run, (tx) => beginRun(tx, run.runId))
  if (!begun) return { outcome: 'done' }
  try {
    await readPages(ctx, run, begun.wabaId)
    return { outcome: 'done' }
  } catch (error) {
    if (failureOf(error) === 'conflict' || isDatabaseUnavailable(error)) throw error
    run.signal.throwIfAborted()
    const isOld = ctx.now() - begun.createdAt.getTime() > giveUpMs * ctx.scale
    if (failures[failureOf(error)].retry && !isOld) {
      if (failureOf(error) === 'throttled')
        return {
          laterMs:
            (error instanceof Throttled ? error.retryAfterMs : undefined) ?? 60_000 * ctx.scale,
        }
      throw error
    }
    return fail(ctx, run, error)
  }
}

/** Ends a run that trying again would not help, so that the next one can be ordered. */
async function fail(ctx: Context, run: Try, error: unknown): Promise<{ outcome: string }> {
  ctx.log.warn(
    { err: error, connection: run.connectionId, run: run.runId },
    'A template sync failed',
  )
  const failure = messageOf(error)
  await guarded(ctx, run, (tx) => endRun(tx, run.runId, { failure }))
  return { outcome: 'failed' }
}

async function readPages(ctx: Context, run: Try, wabaId: string): Promise<void> {
  const { accountId, connectionId, runId, signal } = run
  const { wabaId: now, sealedToken } = await ctx.peers.accounts.getConnection(
    { id: connectionId },
    { accountId, signal },
  )
  // News looks for the runs of its WABA: one that read another would be missed by it.
  if (now !== wabaId)
    throw new AppError(
      'precondition',
      `The number is in the WhatsApp Business Account ${now} now; sync its templates again`,
    )
  const token = ctx.secrets.open(sealedToken, secretPlaces.connection(connectionId, accountId))
  const pages = ctx.graph.listTemplates({ wabaId, token, signal })[Symbol.asyncIterator]()
  for (let isFirst = true; ; isFirst = false) {
    await takeTurn(ctx, run, isFirst)
    const askedAt = new Date(ctx.now())
    const keptFrom = new Date(askedAt.getTime() - clockMarginMs)
    const { done, value } = await pages.next()
    if (done) break
    const templates = uniqueTemplates(value).map((template) => ({
      ...template,
      metaId: template.id,
      id: uuid(),
    }))
    await guarded(ctx, run, (tx) => writePage(tx, { runId, wabaId, templates, askedAt, keptFrom }))
  }
  const removed = await guarded(ctx, run, async (tx) => {
    const count = await markRemoved(tx, runId, wabaId)
    await endRun(tx, runId, { removed: count })
    return count
  })
  ctx.log.info({ connection: connectionId, run: runId, removed }, 'Templates were synced')
}

/**
 * Waits for a grant of the limit, one a page. Throws `throttled` when a run's first page would wait long: the lane is given
 * back. Later pages wait where they are, for a list of more pages than the limit grants would never end by starting over.
 */
async function takeTurn(
  ctx: Context,
  { connectionId, signal }: Try,
  isFirst: boolean,
): Promise<void> {
  for (;;) {
    const turn = await ctx.limiter.take('template_sync_rate_limit', connectionId)
    if (turn.ok) return
    if (isFirst && turn.retryAfterMs > patienceMs * ctx.scale)
      throw new Throttled(
        'The limit of template calls of this connection is used up',
        turn.retryAfterMs,
      )
    await pause(turn.retryAfterMs, undefined, { signal })
  }
}

/** A transaction that only the newest holder of the lock can commit. */
function guarded<T>(ctx: Context, run: Try, work: (tx: Tx) => Promise<T>): Promise<T> {
  const { accountId, signal } = run
  return ctx.db.transaction(
    accountId,
    async (tx) => {
      await fence(tx, run.fence)
      return work(tx)
    },
    { signal },
  )
}
