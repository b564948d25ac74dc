import type { Tx } from '@lockstep/database'
import type { FeedEntry } from '@lockstep/feeds'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { EntryResult, LaneHandler } from '@lockstep/service'
import { counter } from '@lockstep/telemetry'
import {
  type AccountEvent,
  accountEvents,
  eventError,
  metaTimeMs,
  parseWebhook,
} from '@lockstep/whatsapp'
import { applyChange, changesOf, restrictionNewsOf } from '../account-news.ts'
import { eventOf, wordsOf } from '../account-words.ts'
import { applyRestrictions, type RestrictedConnection } from '../apply-restrictions.ts'
import type { Context } from '../context.ts'
import { accountOfApp, insertEvents } from '../db/account-events.ts'
import type { Connection } from '../db/entities.ts'
import { connectionIntervals } from '../db/intervals.ts'
import { lockConnections, metaAppIds } from '../db/queries.ts'
import { activeRestrictions, allRestrictions, writeRestrictions } from '../db/restrictions.ts'
import { healthOf } from '../health.ts'

/** One event for one account, and the connections that it may change. */
interface News {
  connectionIds: string[]
  event: AccountEvent
  receivedAt: Date
}

/** Applies and keeps what Meta says about a WABA and its numbers, for every account that has it by the app that signed. */
export const accountUpdate: LaneHandler<Context> = async (ctx, wabaId, entries) => {
  const ownersOf = ownersAt(ctx, wabaId)
  const results: EntryResult[] = []
  const byAccount = new Map<string, News[]>()
  for (const entry of entries) {
    const events = accountEvents(parseWebhook(entry.body)).filter(
      (event) => event.wabaId === wabaId,
    )
    const owners = await ownersOf(entry, events)
    results.push({
      id: entry.id,
      outcome: typeof owners === 'string' ? owners : events.length > 0 ? 'done' : 'no_action',
    })
    if (typeof owners === 'string') continue
    for (const [accountId, connectionIds] of owners) {
      const news = events.map((event) => ({
        connectionIds,
        event,
        receivedAt: new Date(entry.asOfMs),
      }))
      const known = byAccount.get(accountId)
      if (known) known.push(...news)
      else byAccount.set(accountId, news)
    }
  }
  for (const [accountId, news] of byAccount) await record(ctx, accountId, news)
  return results
}

/** Ids of connections by account, or why there are none. */
type Owners = Map<string, string[]> | 'no_connection' | 'wrong_app'

/** Who had the WABA, by a part's app, when it was received; asks once for all parts of the same moment. */
function ownersAt(
  ctx: Context,
  wabaId: string,
): (entry: FeedEntry, events: AccountEvent[]) => Promise<Owners> {
  const known = new Map<number, ConnectionInterval[]>()
  return async ({ asOfMs, appId }, events) => {
    // These name a business portfolio, no WABA (Meta, partner_solutions): the app's account is whom they concern.
    if (events.some(({ field }) => field === 'partner_solutions')) {
      const accountId = await ctx.db.system((tx) => accountOfApp(tx, appId))
      return accountId ? new Map([[accountId, []]]) : 'no_connection'
    }
    const at = new Date(asOfMs)
    const all =
      known.get(asOfMs) ??
      (await ctx.db.system((tx) =>
        connectionIntervals(tx, { wabaIds: [wabaId], from: at, until: at }),
      ))
    known.set(asOfMs, all)
    if (all.length === 0) return 'no_connection'
    const owners = new Map<string, string[]>()
    for (const { id, accountId, appId: boundTo } of all)
      if (boundTo === appId) owners.set(accountId, [...(owners.get(accountId) ?? []), id])
    return owners.size > 0 ? owners : 'wrong_app'
  }
}

async function record(ctx: Context, accountId: string, news: News[]): Promise<void> {
  await ctx.db.transaction(accountId, async (tx) => {
    const ids = [...new Set(news.flatMap(({ connectionIds }) => connectionIds))]
    const connections = await lockConnections(tx, ids)
    const healthBefore = await healths(ctx, tx, connections)
    await apply(ctx, tx, connections, news)
    await insertEvents(tx, news.map(toRow))
    tx.afterCommit(() => noteErrors(ctx, accountId, news))
    for (const [connection, { health, words }] of await healths(ctx, tx, connections))
      if (health !== healthBefore.get(connection)!.health)
        tx.afterCommit(() =>
          ctx.log.warn(
            { connection: connection.id, health, words },
            "A connection's health has changed",
          ),
        )
  })
}

const numberErrors = counter(
  'lockstep_webhook_number_errors_total',
  'Errors of a number or its account that Meta told without a message',
)

function noteErrors(ctx: Context, accountId: string, news: News[]): void {
  for (const { event } of news) {
    const error = eventError(event)
    if (!error) continue
    numberErrors(1, { code: String(error.code ?? 'none') })
    ctx.log.warn({ accountId, wabaId: event.wabaId, ...error }, 'Meta reports an error of a number')
  }
}

async function healths(ctx: Context, tx: Tx, connections: Connection[]) {
  const restrictions = await activeRestrictions(tx, connections, new Date(ctx.now()))
  return new Map(
    connections.map((each) => [each, healthOf(each.holds, restrictions.get(each.id) ?? [])]),
  )
}

/** Applies news in their order to the connections that they are about. */
async function apply(ctx: Context, tx: Tx, connections: Connection[], news: News[]): Promise<void> {
  const appIds = await metaAppIds(tx, connections)
  const rows = Map.groupBy(
    await allRestrictions(tx, connections),
    ({ connectionId }) => connectionId,
  )
  const subjects = connections.map((connection): RestrictedConnection => {
    return {
      connection,
      restrictions: new Map((rows.get(connection.id) ?? []).map((row) => [row.type, row])),
    }
  })
  const changed = new Set<string>()
  for (const { connectionIds, event, receivedAt } of news) {
    const at = new Date(metaTimeMs(event.timestampMs, receivedAt.getTime()))
    const restricts = restrictionNewsOf(event)
    for (const subject of subjects) {
      const { connection } = subject
      // News of a WABA that the number has left since then is only kept.
      if (!connectionIds.includes(connection.id) || connection.wabaId !== event.wabaId) continue
      for (const change of changesOf(event, appIds.get(connection.appId)))
        applyChange(connection, change, at)
      const restricted = restricts
        ? applyRestrictions(subject, restricts, at, new Date(ctx.now()))
        : []
      for (const { type } of restricted) changed.add(`${connection.id} ${type}`)
    }
  }
  const all = subjects.flatMap(({ restrictions }) => [...restrictions.values()])
  await writeRestrictions(
    tx,
    all.filter(({ connectionId, type }) => changed.has(`${connectionId} ${type}`)),
  )
}

const toRow = ({ event, receivedAt }: News) => ({
  wabaId: event.wabaId,
  field: event.field,
  event: eventOf(event).slice(0, 128).toWellFormed(),
  words: wordsOf(event),
  value: event.value,
  occurredAt: event.timestampMs === null ? null : new Date(event.timestampMs),
  receivedAt,
})
