import type { FeedEntry } from '@lockstep/feeds'
import type { LockKey } from '@lockstep/locks'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { RecordInboundResponse } from '@lockstep/rpc/gen/contacts'
import { type EntryVerdict, holdBatch, type SetHandler } from '@lockstep/service'
import { counter } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import { applyChanges, recordReactions } from '../db/changes.ts'
import { insertMessages, joinConversations, lockConversations, updateConversations } from '../db/store.ts'
import { isUnread, windowUntil } from '../kind.ts'
import { lossesOf, type Message, noteOf, outcomeOf, type Part, readPart } from '../part.ts'
import { recordPeople, recordStatuses } from '../peers.ts'
import { resolver } from '../resolve.ts'

/** Stores what people wrote to a number, once each, and hands on statuses whose campaign the gateway could not see. */
export const webhookMessage: SetHandler<Context> = async (ctx, entries) => {
  const verdicts: EntryVerdict[] = []
  for (const [phoneNumberId, its] of Map.groupBy(entries, (entry) => entry.key)) verdicts.push(...(await ofNumber(ctx, phoneNumberId, its)))
  return verdicts
}

async function ofNumber(ctx: Context, phoneNumberId: string, entries: FeedEntry[]): Promise<EntryVerdict[]> {
  const connectionsAt = resolver(ctx, phoneNumberId)
  const verdicts: EntryVerdict[] = []
  const accepted = new Map<string, { connection: ConnectionInterval; parts: Part[] }>()
  for (const entry of entries) {
    const connections = await connectionsAt(entry.createdAtMs)
    const connection = connections.find((c) => c.appId === entry.appId)
    if (!connection) {
      verdicts.push({ id: entry.id, outcome: connections.length === 0 ? 'unclaimed' : 'foreign' })
      continue
    }
    const group = accepted.get(connection.id) ?? { connection, parts: [] }
    group.parts.push(readPart(entry, phoneNumberId))
    accepted.set(connection.id, group)
  }
  for (const { connection, parts } of accepted.values()) verdicts.push(...(await record(ctx, connection, parts)))
  return verdicts
}

/** The effects of all parts of one connection, as one set. Contacts and campaigns are asked first: inside the transaction nothing is called. */
async function record(ctx: Context, connection: ConnectionInterval, parts: Part[]): Promise<EntryVerdict[]> {
  await using _held = await holdBatch(ctx, keysOf(connection.id, parts))
  const messages = uniqueMessages(parts)
  const people = await recordPeople(ctx, connection, messages, parts)
  const matched = await recordStatuses(ctx, connection, parts)
  if (messages.length > 0 || people.merged.length > 0) await store(ctx, connection, messages, people)
  noteErrors(ctx, connection, parts)
  return parts.map((part) => ({ id: part.id, outcome: outcomeOf(part, matched), ...noteLosses(part, matched) }))
}

function keysOf(connectionId: string, parts: Part[]): LockKey[] {
  return [
    { name: 'webhook_process', id: connectionId },
    ...parts.flatMap((part) => part.messages.map(({ wamid }) => ({ name: 'webhook_message' as const, id: wamid }))),
    ...parts.flatMap((part) => part.statuses.map(({ wamid }) => ({ name: 'webhook_status' as const, id: wamid }))),
  ]
}

/** A batch may hold a message more than once. */
function uniqueMessages(parts: Part[]): Message[] {
  const byWamid = new Map<string, Message>()
  for (const message of parts.flatMap((part) => part.messages)) if (!byWamid.has(message.wamid)) byWamid.set(message.wamid, message)
  return [...byWamid.values()]
}

const numberErrors = counter('lockstep_webhook_number_errors_total', 'Errors of a number or its account that Meta told without a message')

/** Nobody's message is lost by them, but an operator should know. */
function noteErrors(ctx: Context, { id, accountId }: ConnectionInterval, parts: Part[]): void {
  for (const { code, title, details } of parts.flatMap((part) => part.errors)) {
    numberErrors(1, { code: String(code ?? 'none') })
    ctx.log.warn({ accountId, connectionId: id, code, title, details }, 'Meta reports an error of a number')
  }
}

const withoutEffect = counter(
  'lockstep_webhook_elements_without_effect_total',
  'Elements of processed webhook parts that had no effect, by why',
)

/** A part that is done may hold elements that have no row: they are counted, and noted as its reason. */
function noteLosses(part: Part, matched: ReadonlySet<string>): { note?: string } {
  const lost = lossesOf(part, matched)
  for (const [why, count] of Object.entries(lost)) if (count > 0) withoutEffect(count, { why })
  const note = noteOf(lost)
  return note === undefined ? {} : { note }
}

async function store(
  ctx: Context,
  { id, accountId }: ConnectionInterval,
  messages: Message[],
  people: RecordInboundResponse,
): Promise<void> {
  await ctx.db.transaction(accountId, async (tx) => {
    const contactIds = people.contactIds.slice(0, messages.length)
    const conversations = await lockConversations(tx, id, contactIds, people.merged)
    const rows = messages.map(({ person: _, ...message }, i) => ({ ...message, conversationId: conversations.get(contactIds[i]!)! }))
    const joined = await joinConversations(tx, people.merged, conversations)
    const inserted = await insertMessages(tx, id, rows)
    const fresh = rows.filter((row) => inserted.has(row.wamid))
    await recordReactions(tx, id, fresh)
    await applyChanges(tx, id, [...joined.wamids, ...fresh.flatMap(({ wamid, targetWamid }) => targetWamid ?? wamid)])
    const grown = Map.groupBy(fresh, (row) => row.conversationId)
    for (const conversationId of joined.conversationIds) if (!grown.has(conversationId)) grown.set(conversationId, [])
    await updateConversations(
      tx,
      [...grown].map(([conversationId, its]) => ({ conversationId, ...growthOf(its) })),
    )
  })
}

function growthOf(messages: { type: string; at: Date }[]): { count: number; windowUntil: Date | null } {
  const windows = messages.flatMap((message) => windowUntil(message)?.getTime() ?? [])
  const count = messages.filter(({ type }) => isUnread(type)).length
  return { count, windowUntil: windows.length === 0 ? null : new Date(Math.max(...windows)) }
}
