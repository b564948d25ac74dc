import type { Tx } from '@lockstep/database'
import type { FeedEntry } from '@lockstep/feeds'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { EntryResult, LaneHandler } from '@lockstep/service'
import { metaTimeMs, parseWebhook, type TemplateEvent, templateEvents } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import type { Template } from '../db/entities.ts'
import { findActiveRun, isBeingRead, lockTemplates, wasReadSince } from '../db/queries.ts'
import { orderSync } from '../order-sync.ts'
import { applyEvent, isAboutComponents, isOfUse, isOutdated } from '../template.ts'

/** News of one part, and the accounts that have the WABA by the app that signed it. */
interface News {
  entryId: string
  receivedAt: Date
  owners: Owners
  events: { event: TemplateEvent; at: Date }[]
}

/** By account, a connection of it through which the WABA's templates can be read; null when all have ended. */
type Owners = Map<string, string | null>

/** A sync under way may have read a template before the news of it: how long until it is asked whether it has ended. */
const syncRunsMs = 5_000

/** Applies what Meta says about templates, for every account that has the WABA by the app that signed. */
export const templateUpdate: LaneHandler<Context> = async (ctx, wabaId, entries) => {
  const ownersOf = ownersAt(ctx, wabaId)
  const results: EntryResult[] = []
  const news: News[] = []
  for (const entry of entries) {
    const owners = await ownersOf(entry)
    if (typeof owners === 'string') results.push({ id: entry.id, outcome: owners })
    else
      news.push({
        entryId: entry.id,
        receivedAt: new Date(entry.asOfMs),
        owners,
        events: eventsOf(entry, wabaId),
      })
  }
  const matched = new Set<string>()
  const waiting = new Set<string>()
  for (const accountId of [...new Set(news.flatMap(({ owners }) => [...owners.keys()]))].sort()) {
    const came = await apply(ctx, accountId, wabaId, news)
    for (const id of came.matched) matched.add(id)
    for (const id of came.waiting) waiting.add(id)
  }
  for (const { entryId: id, events } of news)
    if (waiting.has(id)) results.push({ id, laterMs: syncRunsMs * ctx.scale })
    else
      results.push({
        id,
        outcome: matched.has(id) ? 'done' : events.length > 0 ? 'no_match' : 'no_action',
      })
  return results
}

/** Who had the WABA, by a part's app, when it was received; asks once for all parts of the same moment. */
function ownersAt(
  ctx: Context,
  wabaId: string,
): (entry: FeedEntry) => Promise<Owners | 'no_connection' | 'wrong_app'> {
  const known = new Map<number, ReturnType<Context['peers']['accounts']['resolveConnections']>>()
  return async ({ asOfMs, appId }) => {
    if (!known.has(asOfMs))
      known.set(
        asOfMs,
        ctx.peers.accounts.resolveConnections(
          { wabaIds: [wabaId], fromMs: asOfMs, untilMs: asOfMs },
          {},
        ),
      )
    const { intervals } = await known.get(asOfMs)!
    if (intervals.length === 0) return 'no_connection'
    const owners: Owners = new Map()
    for (const interval of intervals.filter((each) => each.appId === appId))
      owners.set(
        interval.accountId,
        owners.get(interval.accountId) ?? (await readableThrough(ctx, interval)),
      )
    return owners.size > 0 ? owners : 'wrong_app'
  }
}

/** The interval's connection, if its WABA can be read through it now; it may have been connected again since the interval ended. */
async function readableThrough(
  ctx: Context,
  { id, accountId, wabaId, disconnectedAtMs }: ConnectionInterval,
): Promise<string | null> {
  if (disconnectedAtMs === undefined) return id
  const now = await ctx.peers.accounts.getConnection({ id }, { accountId })
  return now.disconnectedAtMs === undefined && now.wabaId === wabaId ? id : null
}

function eventsOf({ body, asOfMs }: FeedEntry, wabaId: string): News['events'] {
  return templateEvents(parseWebhook(body))
    .filter((event) => event.wabaId === wabaId && isOfUse(event))
    .map((event) => ({ event, at: new Date(metaTimeMs(event.timestampMs, asOfMs)) }))
}

/** Applies the parts that concern an account, in their order; answers those that named a template it has, and those that must wait. */
async function apply(
  ctx: Context,
  accountId: string,
  wabaId: string,
  news: News[],
): Promise<{ matched: string[]; waiting: string[] }> {
  const mine = news.filter(({ owners }) => owners.has(accountId))
  const metaIds = [...new Set(mine.flatMap((n) => n.events.map(({ event }) => event.templateId)))]
  return ctx.db.transaction(accountId, async (tx) => {
    // Asked before the rows are read: the pages of a run that is not found here are either committed, and so among those rows, or
    // were asked for after this news.
    const mayAppear = await isBeingRead(tx, wabaId)
    const templates = await lockTemplates(tx, wabaId, metaIds)
    const byMetaId = new Map(templates.map((template) => [template.metaId, template]))
    const matched: string[] = []
    const waiting: string[] = []
    const outdated: Outdated[] = []
    for (const { entryId, receivedAt, owners, events } of mine)
      for (const { event, at } of events) {
        const template = byMetaId.get(event.templateId)
        if (
          !template &&
          (mayAppear ||
            (await readUnknown(ctx, tx, wabaId, {
              event,
              receivedAt,
              connectionId: owners.get(accountId),
            })))
        )
          waiting.push(entryId)
        if (!template) continue
        applyEvent(template, event, at)
        matched.push(entryId)
        const connectionId = owners.get(accountId)
        if (connectionId && isAboutComponents(event) && isOutdated(template, at))
          outdated.push({ entryId, template, at, connectionId })
      }
    return { matched, waiting: [...waiting, ...(await readAnew(ctx, tx, wabaId, outdated))] }
  })
}

interface Unknown {
  event: TemplateEvent
  receivedAt: Date
  connectionId: string | null | undefined
}

/**
 * Has a template read that has no row: it was made at Meta after the last list. Once for all news, for a list that was asked for since
 * then knows whether there is one. False when that wouldn't help.
 */
async function readUnknown(
  ctx: Context,
  tx: Tx,
  wabaId: string,
  { event, receivedAt, connectionId }: Unknown,
): Promise<boolean> {
  if (!connectionId || event.status === 'DELETED' || (await wasReadSince(tx, wabaId, receivedAt)))
    return false
  await orderSync(ctx, tx, { connectionId, wabaId })
  return true
}

/** A template whose components have changed at Meta, and the connection to read them through. */
interface Outdated {
  entryId: string
  template: Template
  at: Date
  connectionId: string
}

/** Has outdated templates read again: by a sync that is queued, or by one that is ordered now. Answers the entries that must wait. */
async function readAnew(
  ctx: Context,
  tx: Tx,
  wabaId: string,
  outdated: Outdated[],
): Promise<string[]> {
  const willRead = new Map<string, boolean>()
  for (const connectionId of [...new Set(outdated.map((each) => each.connectionId))].sort()) {
    const ordered = (await orderSync(ctx, tx, { connectionId, wabaId })) !== undefined
    willRead.set(
      connectionId,
      ordered || (await findActiveRun(tx, connectionId))?.state === 'queued',
    )
  }
  for (const { template, at, connectionId } of outdated)
    if (willRead.get(connectionId))
      template.componentsEventAt = new Date(
        Math.max(at.getTime(), template.componentsEventAt?.getTime() ?? 0),
      )
  return outdated
    .filter(({ connectionId }) => !willRead.get(connectionId))
    .map(({ entryId }) => entryId)
}
