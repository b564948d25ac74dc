import type { Tx } from '@lockstep/database'
import type { Context } from '../context.ts'
import {
  type ConversationChange,
  conversationKey,
  lockConversations,
  updateConversations,
} from '../db/conversations.ts'
import { mergeConversations } from '../db/merge-conversations.ts'
import {
  applyEdits,
  fillPlaceholders,
  insertMessages,
  messageKey,
  type NewMessage,
  updateCalls,
} from '../db/messages.ts'
import { recordReactions } from '../db/reactions.ts'
import { announceReceived } from './announce-received.ts'
import { mergeRepeats } from './merge-repeats.ts'
import { isUnread } from './message-types.ts'
import type { ConnectedMessage, ConnectedPart, RecordedPeople } from './remote-records.ts'
import { type WindowOpener, windowUntil } from './service-window.ts'

/** The messages of a set of parts, each id once. */
export function uniqueMessages(parts: readonly ConnectedPart[]): ConnectedMessage[] {
  const byKey = new Map<string, ConnectedMessage>()
  for (const { messages, connection } of parts)
    for (const message of messages) {
      const key = messageKey({ connectionId: connection.id, wamid: message.wamid })
      const known = byKey.get(key)
      const connected = { ...message, connection }
      byKey.set(key, known ? mergeRepeats(known, connected) : connected)
    }
  return [...byKey.values()]
}

/**
 * Stores messages in one transaction of all their accounts; rows are locked in primary-key order.
 */
export async function storeMessages(
  ctx: Context,
  parts: readonly ConnectedPart[],
  messages: readonly ConnectedMessage[],
  people: RecordedPeople,
): Promise<void> {
  const connections = [
    ...new Map(parts.map((part) => [part.connection.id, part.connection])).values(),
  ]
  const accountIds = [...new Set(connections.map((connection) => connection.accountId))]
  const keys = messages.map(({ groupId, connection: { id, accountId } }, i) => {
    return { accountId, connectionId: id, contactId: people.contactIds[i]!, groupId }
  })
  await ctx.db.transaction(accountIds, async (tx) => {
    const conversations = await lockConversations(tx, connections, keys, people.merged)
    const rows = messages.map(({ person: _, connection, ...message }, i) => ({
      ...message,
      ...keys[i]!,
      conversationId: conversations.get(conversationKey(keys[i]!))!.id,
    }))
    const merged = await mergeConversations(tx, people.merged, conversations)
    const stored = await storeRows(tx, rows)
    const targets = stored.inserted.map((row) => ({ ...row, wamid: row.targetWamid ?? row.wamid }))
    await applyEdits(tx, [...merged.messages, ...targets])
    await announceReceived(ctx, tx, stored.inserted)
    await updateConversations(tx, changesOf(stored, merged.conversationIds))
  })
}

type Row = NewMessage & WindowOpener

/** Rows by what became of them. */
interface StoredRows {
  inserted: (Row & { id: string })[]
  /** Events of calls that are stored already. */
  calls: Row[]
  /** Files of the history, whose placeholders are stored already. */
  files: Row[]
}

async function storeRows(tx: Tx, rows: Row[]): Promise<StoredRows> {
  const ids = await insertMessages(tx, rows)
  const inserted = rows.flatMap((row) => {
    const id = ids.get(messageKey(row))
    return id === undefined ? [] : [{ ...row, id }]
  })
  const repeated = rows.filter((row) => !ids.has(messageKey(row)))
  const calls = repeated.filter((row) => row.call)
  const files = repeated.filter((row) => row.source === 'history' && row.media)
  await recordReactions(tx, inserted)
  await updateCalls(tx, calls)
  await fillPlaceholders(tx, files)
  return { inserted, calls, files }
}

/**
 * What rows change in their conversations: what is inserted counts once, and a call's later event
 * may open a window.
 */
function changesOf(
  { inserted, calls, files }: StoredRows,
  mergedIds: readonly string[],
): ConversationChange[] {
  const ids = [...inserted, ...calls, ...files].map((row) => row.conversationId)
  const unread = Map.groupBy(inserted.filter(isUnread), (row) => row.conversationId)
  const openers = Map.groupBy([...inserted, ...calls], (row) => row.conversationId)
  return [...new Set([...ids, ...mergedIds])].map((conversationId) => ({
    conversationId,
    unreadChange: unread.get(conversationId)?.length ?? 0,
    windowUntil: latestWindow(openers.get(conversationId) ?? []),
  }))
}

function latestWindow(rows: readonly Row[]): Date | null {
  const ends = rows.flatMap((row) => windowUntil(row)?.getTime() ?? [])
  return ends.length === 0 ? null : new Date(Math.max(...ends))
}
