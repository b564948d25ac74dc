import type { FeedEntry } from '@lockstep/feeds'
import type { LockKey } from '@lockstep/locks'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import { type EntryResult, holdBatch, type SetHandler } from '@lockstep/service'
import { counter } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import { applyChanges, recordReactions } from '../db/changes.ts'
import {
  conversationKey,
  insertMessages,
  joinConversations,
  lockConversations,
  messageKey,
  updateConversations,
} from '../db/store.ts'
import { fillPlaceholders, updateCalls } from '../db/told-twice.ts'
import { isUnread, type Kind, windowUntil } from '../kind.ts'
import { ownersOf } from '../owners.ts'
import {
  againInMs,
  lossesOf,
  type Message,
  noteOf,
  outcomeOf,
  type Part,
  readPart,
} from '../part.ts'
import { type People, recordPeople, recordRefusals, recordStatuses } from '../peers.ts'
import { joinTold } from '../told-twice.ts'

/** What a part says, and the connection that it belongs to. */
export type OwnedPart = Part & { connection: ConnectionInterval }
export type OwnedMessage = Message & { connection: ConnectionInterval }

/** Stores what people wrote to numbers, and numbers to people, once each, and hands on statuses whose campaign the gateway could not see. */
export const webhookMessage: SetHandler<Context> = async (ctx, entries) => {
  const ownerOf = await ownersOf(ctx, entries)
  const results: EntryResult[] = []
  const parts: OwnedPart[] = []
  for (const entry of entries) {
    const owner = ownerOf(entry)
    if (typeof owner === 'string') results.push({ id: entry.id, outcome: owner })
    else parts.push(owned(entry, owner))
  }
  if (parts.length > 0) results.push(...(await record(ctx, parts)))
  return results
}

function owned(entry: FeedEntry, connection: ConnectionInterval): OwnedPart {
  return { ...readPart(entry, connection.phoneNumberId), connection }
}

/** The effects of all parts, as one set. Contacts and campaigns are asked first: inside the transaction nothing is called. */
async function record(ctx: Context, parts: OwnedPart[]): Promise<EntryResult[]> {
  await using _held = await holdBatch(ctx, keysOf(parts))
  const messages = uniqueMessages(parts)
  const [people, matched] = await Promise.all([
    recordPeople(ctx, messages, parts),
    recordStatuses(ctx, parts),
    recordRefusals(ctx, parts),
  ])
  if (messages.length > 0 || people.merged.length > 0) await store(ctx, parts, messages, people)
  return parts.map((part) => resultOf(ctx, part, matched))
}

/** What has no effect is counted once, when the part is done with. */
function resultOf(ctx: Context, part: OwnedPart, matched: ReadonlySet<string>): EntryResult {
  const laterMs = againInMs(part, matched, ctx.now(), ctx.scale)
  if (laterMs !== null) return { id: part.id, laterMs }
  return { id: part.id, outcome: outcomeOf(part, matched), ...noteLosses(part, matched) }
}

function keysOf(parts: OwnedPart[]): LockKey[] {
  const connectionIds = new Set(parts.map((part) => part.connection.id))
  return [
    ...[...connectionIds].map((id) => ({ name: 'webhook_process' as const, id })),
    ...parts.flatMap((part) =>
      part.messages.map(({ wamid }) => ({ name: 'webhook_message' as const, id: wamid })),
    ),
    ...parts.flatMap((part) =>
      part.statuses.map(({ wamid }) => ({ name: 'webhook_status' as const, id: wamid })),
    ),
  ]
}

/** A set may hold a message more than once, several events of a call, and a file with the mark that stood for it. */
function uniqueMessages(parts: OwnedPart[]): OwnedMessage[] {
  const byKey = new Map<string, OwnedMessage>()
  for (const { messages, connection } of parts)
    for (const message of messages) {
      const key = messageKey({ connectionId: connection.id, wamid: message.wamid })
      const known = byKey.get(key)
      byKey.set(
        key,
        known ? joinTold(known, { ...message, connection }) : { ...message, connection },
      )
    }
  return [...byKey.values()]
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

/** All of it in one transaction of all the accounts; rows are locked in primary-key order over all of them. */
async function store(
  ctx: Context,
  parts: OwnedPart[],
  messages: OwnedMessage[],
  people: People,
): Promise<void> {
  const connections = [
    ...new Map(parts.map(({ connection }) => [connection.id, connection])).values(),
  ]
  const accountIds = [...new Set(connections.map((connection) => connection.accountId))]
  const senders = messages.map(({ groupId, connection: { id, accountId } }, i) => {
    return { accountId, connectionId: id, contactId: people.contactIds[i]!, groupId }
  })
  await ctx.db.transaction(accountIds, async (tx) => {
    const conversations = await lockConversations(tx, connections, senders, people.merged)
    const rows = messages.map(({ person: _, connection, ...message }, i) => ({
      ...message,
      ...senders[i]!,
      conversationId: conversations.get(conversationKey(senders[i]!))!.id,
    }))
    const joined = await joinConversations(tx, people.merged, conversations)
    const inserted = await insertMessages(tx, rows)
    const fresh = rows.filter((row) => inserted.has(messageKey(row)))
    await recordReactions(tx, fresh)
    const again = rows.filter((row) => !inserted.has(messageKey(row)))
    const calls = again.filter((row) => row.call)
    await updateCalls(tx, calls)
    const files = again.filter((row) => row.source === 'history' && row.media)
    await fillPlaceholders(tx, files)
    await applyChanges(tx, [
      ...joined.messages,
      ...fresh.map((row) => ({ ...row, wamid: row.targetWamid ?? row.wamid })),
    ])
    const freshRows = new Set<Row>(fresh)
    const grown = Map.groupBy([...fresh, ...calls], (row) => row.conversationId)
    for (const conversationId of [
      ...joined.conversationIds,
      ...files.map((row) => row.conversationId),
    ])
      if (!grown.has(conversationId)) grown.set(conversationId, [])
    await updateConversations(
      tx,
      [...grown].map(([conversationId, its]) => ({ conversationId, ...growthOf(its, freshRows) })),
    )
  })
}

type Row = Kind & { at: Date; opensAt: Date | null }

/** What rows add to their conversation: each of the fresh ones once, and a window by whatever was told later of a call, too. */
function growthOf(
  rows: Row[],
  fresh: ReadonlySet<Row>,
): { count: number; windowUntil: Date | null } {
  const windows = rows.flatMap((row) => windowUntil(row)?.getTime() ?? [])
  const count = rows.filter((row) => isUnread(row) && fresh.has(row)).length
  return { count, windowUntil: windows.length === 0 ? null : new Date(Math.max(...windows)) }
}
