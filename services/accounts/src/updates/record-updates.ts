import type { Tx } from '@lockstep/database'
import { counter } from '@lockstep/telemetry'
import { type AccountEvent, eventError, metaTimeMs } from '@lockstep/whatsapp'
import { announceHealth } from '../connections/announce-health.ts'
import { healthNow } from '../connections/health.ts'
import type { Context } from '../context.ts'
import { insertEvents } from '../db/account-events.ts'
import { metaAppIds } from '../db/apps.ts'
import { lockConnections } from '../db/connections.ts'
import type { Connection } from '../db/entities.ts'
import { activeRestrictions, allRestrictions, writeRestrictions } from '../db/restrictions.ts'
import { applyUpdate, connectionUpdates, restrictionUpdate } from './account-update-rules.ts'
import { applyRestrictions, type RestrictedConnection } from './apply-restrictions.ts'
import { eventName, summaryOf } from './event-summary.ts'

/** An event for one account, with the connections of the account that it may change. */
export interface AccountUpdate {
  connectionIds: string[]
  event: AccountEvent
  receivedAt: Date
}

/**
 * Applies updates to an account's connections in their order, and stores their events, in one
 * transaction.
 */
export async function recordUpdates(
  ctx: Context,
  accountId: string,
  updates: AccountUpdate[],
): Promise<void> {
  await ctx.db.transaction(accountId, async (tx) => {
    const ids = [...new Set(updates.flatMap(({ connectionIds }) => connectionIds))]
    const connections = await lockConnections(tx, ids)
    const before = await healthByConnection(ctx, tx, connections)
    await applyUpdates(ctx, tx, connections, updates)
    await insertEvents(tx, updates.map(toRow))
    tx.afterCommit(() => reportErrors(ctx, accountId, updates))
    for (const [connection, after] of await healthByConnection(ctx, tx, connections))
      if (after.health !== before.get(connection)!.health)
        await noteHealth(ctx, tx, connection, after)
  })
}

async function noteHealth(
  ctx: Context,
  tx: Tx,
  { id, disconnectedAt }: Connection,
  { health, reason }: ReturnType<typeof healthNow>,
): Promise<void> {
  const disconnectedAtMs = disconnectedAt?.getTime()
  await announceHealth(ctx, tx, { id, health, healthReason: reason, disconnectedAtMs })
  const line = { connection: id, health, reason }
  tx.afterCommit(() => ctx.log.warn(line, "A connection's health has changed"))
}

const numberErrors = counter(
  'lockstep_webhook_number_errors_total',
  'Errors of a number or its account that Meta told without a message',
)

function reportErrors(ctx: Context, accountId: string, updates: AccountUpdate[]): void {
  for (const { event } of updates) {
    const error = eventError(event)
    if (!error) continue
    numberErrors(1, { code: String(error.code ?? 'none') })
    ctx.log.warn({ accountId, wabaId: event.wabaId, ...error }, 'Meta reports an error of a number')
  }
}

async function healthByConnection(ctx: Context, tx: Tx, connections: Connection[]) {
  const restrictions = await activeRestrictions(tx, connections, new Date(ctx.now()))
  return new Map(
    connections.map((each) => [each, healthNow(each, restrictions.get(each.id) ?? [], ctx.now())]),
  )
}

async function applyUpdates(
  ctx: Context,
  tx: Tx,
  connections: Connection[],
  updates: AccountUpdate[],
): Promise<void> {
  const appIds = await metaAppIds(tx, connections)
  const rows = Map.groupBy(await allRestrictions(tx, connections), (row) => row.connectionId)
  const changed = new Set<string>()
  const nameOf = (connectionId: string, type: string) => `${connectionId} ${type}`
  const all = connections.map((connection) => {
    const ofConnection = rows.get(connection.id) ?? []
    const restrictions = new Map(ofConnection.map((row) => [row.type, row]))
    const subject: RestrictedConnection = { connection, restrictions }
    const metaAppId = appIds.get(connection.appId)
    for (const update of updates.filter((each) => concerns(each, connection)))
      for (const { type } of applyEvent(subject, update, metaAppId, new Date(ctx.now())))
        changed.add(nameOf(connection.id, type))
    return [...restrictions.values()]
  })
  await writeRestrictions(
    tx,
    all.flat().filter(({ connectionId, type }) => changed.has(nameOf(connectionId, type))),
  )
}

/** False for a WABA that the number has left since then: its event is only stored. */
const concerns = ({ connectionIds, event }: AccountUpdate, connection: Connection) =>
  connectionIds.includes(connection.id) && connection.wabaId === event.wabaId

/** Applies one event to one connection; answers the restrictions that it changed. */
function applyEvent(
  subject: RestrictedConnection,
  { event, receivedAt }: AccountUpdate,
  metaAppId: string | undefined,
  notedAt: Date,
) {
  const at = new Date(metaTimeMs(event.timestampMs, receivedAt.getTime()))
  for (const update of connectionUpdates(event, metaAppId))
    applyUpdate(subject.connection, update, at)
  const restrictions = restrictionUpdate(event)
  return restrictions ? applyRestrictions(subject, restrictions, at, notedAt) : []
}

const toRow = ({ event, receivedAt }: AccountUpdate) => ({
  wabaId: event.wabaId,
  field: event.field,
  event: eventName(event).slice(0, 128).toWellFormed(),
  summary: summaryOf(event),
  value: event.value,
  occurredAt: event.timestampMs === null ? null : new Date(event.timestampMs),
  receivedAt,
})
