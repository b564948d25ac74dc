import { query, sql, type Tx } from '@lockstep/database'
import { v7 as uuid } from 'uuid'

/** The conversation of each contact on a connection, found or created; their rows are locked, in the order of their ids. */
export async function lockConversations(tx: Tx, connectionId: string, contactIds: readonly string[]): Promise<Map<string, string>> {
  const unique = [...new Set(contactIds)]
  await sql`insert into conversations (id, account_id, connection_id, contact_id)
    select v.id, ${tx.accountId}, ${connectionId}, v.contact_id
    from unnest(${unique.map(() => uuid())}::uuid[], ${unique}::uuid[]) v(id, contact_id) order by v.contact_id
    on conflict (connection_id, contact_id) do nothing`.execute(tx.sql)
  const rows = await query<{ id: string; contactId: string }>(
    tx,
    sql`select id, contact_id as "contactId" from conversations
        where account_id = ${tx.accountId} and connection_id = ${connectionId} and contact_id = any(${unique}::uuid[])
        order by id for update`,
  )
  return new Map(rows.map(({ id, contactId }) => [contactId, id]))
}

export interface NewMessage {
  conversationId: string
  wamid: string
  type: string
  text: string
  at: Date
  contextWamid: string | undefined
  payload: object
  receivedAt: Date
}

/** Stores inbound messages; answers the wamids of those that were not there yet. */
export async function insertMessages(tx: Tx, connectionId: string, messages: readonly NewMessage[]): Promise<Set<string>> {
  const rows = await query<{ wamid: string }>(
    tx,
    sql`insert into messages (account_id, conversation_id, connection_id, wamid, direction, type, text, at, context_wamid, payload, received_at)
        select ${tx.accountId}, v."conversationId", ${connectionId}, v.wamid, 'in', v.type, v.text, v.at, v."contextWamid", v.payload, v."receivedAt"
        from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb) v("conversationId" uuid, wamid text, type text, text text,
          at timestamptz, "contextWamid" text, payload jsonb, "receivedAt" timestamptz)
        order by v.wamid
        on conflict (connection_id, wamid) do nothing returning wamid`,
  )
  return new Set(rows.map((row) => row.wamid))
}

export interface Growth {
  conversationId: string
  /** New inbound messages. */
  count: number
  windowUntil: Date | null
}

/**
 * Brings locked conversations up to date with messages that were just inserted. The last message is read from the rows and a
 * window never shrinks, so that every order of arrival ends the same.
 */
export async function updateConversations(tx: Tx, growths: readonly Growth[]): Promise<void> {
  await sql`update conversations c
    set unread = c.unread + v.count, window_until = greatest(c.window_until, v."windowUntil"),
        last_message_at = m.at, last_text = m.text
    from jsonb_to_recordset(${JSON.stringify(growths)}::jsonb) v("conversationId" uuid, count integer, "windowUntil" timestamptz)
    cross join lateral (select at, text from messages where conversation_id = v."conversationId" order by at desc, wamid desc limit 1) m
    where c.account_id = ${tx.accountId} and c.id = v."conversationId"`.execute(tx.sql)
}
