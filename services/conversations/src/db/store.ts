import { query, sql, type Tx } from '@lockstep/database'
import type { Merged } from '@lockstep/rpc/gen/contacts'
import { v7 as uuid } from 'uuid'

/**
 * The conversation of each contact on a connection, found or created, and those that exist of contacts that were merged into them;
 * their rows are locked, in the order of their ids.
 */
export async function lockConversations(
  tx: Tx,
  connectionId: string,
  contactIds: readonly string[],
  merged: readonly Merged[],
): Promise<Map<string, string>> {
  const former = merged.map((one) => one.contactId)
  const wanted = [...new Set([...contactIds, ...(await ownersOfFormer(tx, connectionId, merged))])]
  await sql`insert into conversations (id, account_id, connection_id, contact_id)
    select v.id, ${tx.accountId}, ${connectionId}, v.contact_id
    from unnest(${wanted.map(() => uuid())}::uuid[], ${wanted}::uuid[]) v(id, contact_id) order by v.contact_id
    on conflict (connection_id, contact_id) do nothing`.execute(tx.sql)
  const rows = await query<{ id: string; contactId: string }>(
    tx,
    sql`select id, contact_id as "contactId" from conversations
        where account_id = ${tx.accountId} and connection_id = ${connectionId} and contact_id = any(${[...wanted, ...former]}::uuid[])
        order by id for update`,
  )
  return new Map(rows.map(({ id, contactId }) => [contactId, id]))
}

/** The contacts whose former selves have a conversation here: it needs one to go into. */
async function ownersOfFormer(tx: Tx, connectionId: string, merged: readonly Merged[]): Promise<string[]> {
  if (merged.length === 0) return []
  const rows = await query<{ contactId: string }>(
    tx,
    sql`select contact_id as "contactId" from conversations where account_id = ${tx.accountId} and connection_id = ${connectionId}
          and contact_id = any(${merged.map((one) => one.contactId)}::uuid[])`,
  )
  const found = new Set(rows.map((row) => row.contactId))
  return merged.filter((one) => found.has(one.contactId)).map((one) => one.into)
}

/**
 * Moves what locked conversations of merged contacts hold into those of the contacts that they are now. Repeating it moves what came
 * since. Answers the messages and conversations that are to be looked at anew.
 */
export async function joinConversations(
  tx: Tx,
  merged: readonly Merged[],
  conversations: ReadonlyMap<string, string>,
): Promise<{ wamids: string[]; conversationIds: string[] }> {
  const pairs = merged.flatMap(({ contactId, into }) => {
    const [from, to] = [conversations.get(contactId), conversations.get(into)]
    return from && to ? [{ from, to }] : []
  })
  if (pairs.length === 0) return { wamids: [], conversationIds: [] }
  const v = sql`jsonb_to_recordset(${JSON.stringify(pairs)}::jsonb) v("from" uuid, "to" uuid)`
  const moved = await query<{ wamid: string }>(
    tx,
    sql`update messages m set conversation_id = v."to" from ${v}
        where m.account_id = ${tx.accountId} and m.conversation_id = v."from" returning coalesce(m.target_wamid, m.wamid) as wamid`,
  )
  await sql`with moved as (delete from reactions r using ${v} where r.account_id = ${tx.accountId} and r.conversation_id = v."from"
      returning r.account_id, r.connection_id, r.target_wamid, v."to", r.emoji, r.at, r.wamid)
    insert into reactions as r (account_id, connection_id, target_wamid, conversation_id, emoji, at, wamid)
    select distinct on (target_wamid, "to") * from moved order by target_wamid, "to", at desc, wamid desc
    on conflict (connection_id, target_wamid, conversation_id) do update set emoji = excluded.emoji, at = excluded.at, wamid = excluded.wamid
    where (excluded.at, excluded.wamid) > (r.at, r.wamid)`.execute(tx.sql)
  await sql`update conversations c set unread = c.unread + o.unread, window_until = greatest(c.window_until, o.window_until)
    from (select v."to", sum(f.unread)::int as unread, max(f.window_until) as window_until
          from ${v} join conversations f on f.id = v."from" group by v."to") o
    where c.account_id = ${tx.accountId} and c.id = o."to"`.execute(tx.sql)
  await sql`update conversations c set unread = 0, window_until = null, stood_at = coalesce(c.last_message_at, c.stood_at), last_message_at = null,
      last_text = '', merged_into = v."to"
    from ${v} where c.account_id = ${tx.accountId} and c.id = v."from"`.execute(tx.sql)
  return { wamids: moved.map((row) => row.wamid), conversationIds: [...new Set(pairs.map((pair) => pair.to))] }
}

export interface NewMessage {
  conversationId: string
  wamid: string
  type: string
  text: string
  at: Date
  contextWamid: string | undefined
  targetWamid: string | undefined
  media: object | undefined
  content: object | undefined
  forwarded: boolean
  frequentlyForwarded: boolean
  referredProduct: object | undefined
  referral: object | undefined
  payload: object
  receivedAt: Date
}

/** Stores inbound messages; answers the wamids of those that were not there yet. */
export async function insertMessages(tx: Tx, connectionId: string, messages: readonly NewMessage[]): Promise<Set<string>> {
  const rows = await query<{ wamid: string }>(
    tx,
    sql`insert into messages (account_id, conversation_id, connection_id, wamid, direction, type, text, at, context_wamid, target_wamid, media,
          content, forwarded, frequently_forwarded, referred_product, referral, payload, received_at)
        select ${tx.accountId}, v."conversationId", ${connectionId}, v.wamid, 'in', v.type, v.text, v.at, v."contextWamid", v."targetWamid",
          v.media, v.content, v.forwarded, v."frequentlyForwarded", v."referredProduct", v.referral, v.payload, v."receivedAt"
        from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb) v("conversationId" uuid, wamid text, type text, text text,
          at timestamptz, "contextWamid" text, "targetWamid" text, media jsonb, content jsonb, forwarded boolean,
          "frequentlyForwarded" boolean, "referredProduct" jsonb, referral jsonb, payload jsonb, "receivedAt" timestamptz)
        order by v.wamid
        on conflict (connection_id, wamid) do nothing returning wamid`,
  )
  return new Set(rows.map((row) => row.wamid))
}

export interface Growth {
  conversationId: string
  /** New inbound messages that wait to be read. */
  count: number
  windowUntil: Date | null
}

/**
 * Brings locked conversations up to date with messages that were just inserted or changed. The last message is read from the rows and
 * a window never shrinks, so that every order of arrival ends the same. What is about another message is none while that one is stored.
 */
export async function updateConversations(tx: Tx, growths: readonly Growth[]): Promise<void> {
  if (growths.length === 0) return
  await sql`update conversations c
    set unread = c.unread + v.count, window_until = greatest(c.window_until, v."windowUntil"),
        last_message_at = m.at, last_text = coalesce(m.text, '')
    from jsonb_to_recordset(${JSON.stringify(growths)}::jsonb) v("conversationId" uuid, count integer, "windowUntil" timestamptz)
    left join lateral (
      select at, case when revoked_at is null then text else '[message deleted]' end as text from messages o
      where conversation_id = v."conversationId" and not ${isAboutStored(sql`o`)} order by at desc, wamid desc limit 1) m on true
    where c.account_id = ${tx.accountId} and c.id = v."conversationId"`.execute(tx.sql)
}

/** True for a row of messages that is about another one, which is stored: it is seen on that one. */
export const isAboutStored = (row: ReturnType<typeof sql>) => sql<boolean>`(${row}.target_wamid is not null and exists (
  select from messages t where t.connection_id = ${row}.connection_id and t.wamid = ${row}.target_wamid and t.conversation_id = ${row}.conversation_id))`
