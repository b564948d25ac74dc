import { query, queryOne, sql, type Tx } from '@lockstep/database'

export interface Page {
  /** Id of the last row of the page before; empty for the first page. */
  after: string
  limit: number
}

export interface ConversationRow {
  id: string
  connectionId: string
  contactId: string
  unread: number
  lastText: string
  lastMessageAt: Date
  windowUntil: Date | null
}

/** The account's conversations with a message, newest first. */
export function listConversations(tx: Tx, { after, limit }: Page): Promise<ConversationRow[]> {
  return query(
    tx,
    sql`select id, connection_id as "connectionId", contact_id as "contactId", unread, last_text as "lastText",
               last_message_at as "lastMessageAt", window_until as "windowUntil"
        from conversations where account_id = ${tx.accountId} and last_message_at is not null
          ${after ? sql`and (last_message_at, id) < (select last_message_at, id from conversations where id = ${after})` : sql``}
        order by last_message_at desc, id desc limit ${limit}`,
  )
}

/** True when the account has the conversation. */
export async function hasConversation(tx: Tx, id: string): Promise<boolean> {
  return Boolean(await queryOne(tx, sql`select 1 from conversations where account_id = ${tx.accountId} and id = ${id}`))
}

export interface MessageRow {
  id: string
  wamid: string
  direction: string
  type: string
  text: string
  at: Date
  contextWamid: string | null
}

/** A conversation's messages, newest first. */
export function listMessages(tx: Tx, conversationId: string, { after, limit }: Page): Promise<MessageRow[]> {
  return query(
    tx,
    sql`select id::text, wamid, direction, type, text, at, context_wamid as "contextWamid"
        from messages where account_id = ${tx.accountId} and conversation_id = ${conversationId}
          ${after ? sql`and (at, wamid) < (select at, wamid from messages where id = ${after}::bigint)` : sql``}
        order by at desc, wamid desc limit ${limit}`,
  )
}

/** How many messages people sent to a connection that were received at or after a time. */
export async function countInbound(tx: Tx, connectionId: string, since: Date): Promise<number> {
  const row = await queryOne<{ messages: number }>(
    tx,
    sql`select count(*)::int as messages from messages
        where account_id = ${tx.accountId} and connection_id = ${connectionId} and direction = 'in' and received_at >= ${since}`,
  )
  return row!.messages
}
