import { query, sql, type Tx } from '@lockstep/database'
import type { Merged } from '@lockstep/rpc/gen/contacts'
import { v7 as uuid } from 'uuid'

/** Who wrote to a connection: to it alone, or in a group. Each contact and each group has one conversation. */
export interface Sender {
  accountId: string
  connectionId: string
  contactId: string
  groupId?: string | undefined
}

/** With a contact or a group; the other is null. */
export interface LockedConversation {
  id: string
  connectionId: string
  contactId: string | null
  groupId: string | null
}

export const conversationKey = ({
  connectionId,
  contactId,
  groupId,
}: Omit<Sender, 'accountId'> | LockedConversation): string =>
  groupId == null ? `${connectionId} ${contactId}` : `${connectionId} group ${groupId}`

/**
 * The conversations of senders, found or created, and those that exist on these connections of contacts that were merged into
 * others; their rows are locked, in the order of their ids.
 */
export async function lockConversations(
  tx: Tx,
  connections: readonly { id: string; accountId: string }[],
  senders: readonly Sender[],
  merged: readonly Merged[],
): Promise<Map<string, LockedConversation>> {
  const former = await formerConversations(tx, connections, merged)
  const wanted = [
    ...new Map(
      [...senders, ...former.map((one) => one.into)].map((one) => [conversationKey(one), one]),
    ).values(),
  ]
  const all = [...wanted, ...former]
  const columns = (of: readonly Sender[]) => sql`${of.map((one) => one.connectionId)}::uuid[],
    ${of.map((one) => (one.groupId === undefined ? one.contactId : null))}::uuid[], ${of.map((one) => one.groupId ?? null)}::text[]`
  await sql`insert into conversations (id, account_id, connection_id, contact_id, group_id)
    select v.id, v.account_id, v.connection_id, v.contact_id, v.group_id
    from unnest(${wanted.map(() => uuid())}::uuid[], ${wanted.map((one) => one.accountId)}::uuid[], ${columns(wanted)})
      v(id, account_id, connection_id, contact_id, group_id)
    order by v.connection_id, v.contact_id, v.group_id
    on conflict do nothing`.execute(tx.sql)
  const withGroups = all.some((one) => one.groupId !== undefined)
  const rows = await query<LockedConversation>(
    tx,
    sql`select c.id, c.connection_id as "connectionId", c.contact_id as "contactId", c.group_id as "groupId"
        from unnest(${columns(all)}) v(connection_id, contact_id, group_id)
        ${withGroups ? joinWithGroups : sql`join conversations c on c.connection_id = v.connection_id and c.contact_id = v.contact_id`}
        order by c.id for update of c`,
  )
  return new Map(rows.map((row) => [conversationKey(row), row]))
}

/** Two look-ups: joined by an "or", the planner would compare each row with all conversations of its number. */
const joinWithGroups = sql`cross join lateral (
    select o.id from conversations o where o.connection_id = v.connection_id and o.contact_id = v.contact_id
    union all select o.id from conversations o where o.connection_id = v.connection_id and o.group_id = v.group_id) k
  join conversations c on c.id = k.id`

/** Conversations of contacts that were merged, each with the sender whose conversation it goes into. */
async function formerConversations(
  tx: Tx,
  connections: readonly { id: string; accountId: string }[],
  merged: readonly Merged[],
): Promise<(Sender & { into: Sender })[]> {
  if (merged.length === 0) return []
  const intoOf = new Map(merged.map((one) => [one.contactId, one.into]))
  const rows = await query<Sender>(
    tx,
    sql`select account_id as "accountId", connection_id as "connectionId", contact_id as "contactId" from conversations
        where connection_id = any(${connections.map((connection) => connection.id)}::uuid[]) and contact_id = any(${[...intoOf.keys()]}::uuid[])`,
  )
  return rows.map((row) => ({ ...row, into: { ...row, contactId: intoOf.get(row.contactId)! } }))
}

/**
 * Moves what locked conversations of merged contacts hold into those of the contacts that they are now. Repeating it moves what came
 * since. Answers the messages and conversations that are to be looked at anew.
 */
export async function joinConversations(
  tx: Tx,
  merged: readonly Merged[],
  conversations: ReadonlyMap<string, LockedConversation>,
): Promise<{ messages: MessageName[]; conversationIds: string[] }> {
  const intoOf = new Map(merged.map((one) => [one.contactId, one.into]))
  const pairs = [...conversations.values()].flatMap(({ id, connectionId, contactId }) => {
    const into = contactId === null ? undefined : intoOf.get(contactId)
    const to = into && conversations.get(conversationKey({ connectionId, contactId: into }))
    return to ? [{ from: id, to: to.id }] : []
  })
  if (pairs.length === 0) return { messages: [], conversationIds: [] }
  const v = sql`jsonb_to_recordset(${JSON.stringify(pairs)}::jsonb) v("from" uuid, "to" uuid)`
  const moved = await query<MessageName>(
    tx,
    sql`with locked as (select m.id, v."to" from ${v} join messages m on m.conversation_id = v."from" order by m.id for update of m)
        update messages m set conversation_id = l."to" from locked l
        where m.id = l.id returning m.connection_id as "connectionId", coalesce(m.target_wamid, m.wamid) as wamid`,
  )
  await sql`with moved as (delete from reactions r using ${v} where r.conversation_id = v."from"
      returning r.account_id, r.connection_id, r.target_wamid, v."to", r.member_id, r.emoji, r.at, r.wamid)
    insert into reactions as r (account_id, connection_id, target_wamid, conversation_id, member_id, emoji, at, wamid)
    select distinct on (target_wamid, "to", member_id) * from moved order by target_wamid, "to", member_id, at desc, wamid desc
    on conflict (connection_id, target_wamid, conversation_id, member_id) do update set emoji = excluded.emoji, at = excluded.at, wamid = excluded.wamid
    where (excluded.at, excluded.wamid) > (r.at, r.wamid)`.execute(tx.sql)
  await sql`update conversations c set unread = c.unread + o.unread, window_until = greatest(c.window_until, o.window_until),
      last_message_at = greatest(c.last_message_at, o.last_message_at)
    from (select v."to", sum(f.unread)::int as unread, max(f.window_until) as window_until, max(f.last_message_at) as last_message_at
          from ${v} join conversations f on f.id = v."from" group by v."to") o
    where c.id = o."to"`.execute(tx.sql)
  await sql`update conversations c set unread = 0, window_until = null, stood_at = coalesce(c.last_message_at, c.stood_at), last_message_at = null,
      last_text = '', merged_into = v."to"
    from ${v} where c.id = v."from"`.execute(tx.sql)
  return { messages: moved, conversationIds: [...new Set(pairs.map((pair) => pair.to))] }
}

/** A message is known by its number's connection and Meta's id. */
export interface MessageName {
  connectionId: string
  wamid: string
}

export const messageKey = ({ connectionId, wamid }: MessageName): string =>
  `${connectionId} ${wamid}`

export interface NewMessage extends Sender {
  conversationId: string
  wamid: string
  direction: string
  source: string
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

/** Stores messages; answers the keys of those that were not there yet. */
export async function insertMessages(
  tx: Tx,
  messages: readonly NewMessage[],
): Promise<Set<string>> {
  const rows = await query<MessageName>(
    tx,
    sql`insert into messages (account_id, conversation_id, connection_id, wamid, direction, source, type, text, at, group_id, contact_id,
          context_wamid, target_wamid, media, content, forwarded, frequently_forwarded, referred_product, referral, payload, received_at)
        select v."accountId", v."conversationId", v."connectionId", v.wamid, v.direction, v.source, v.type, v.text, v.at, v."groupId",
          case when v."groupId" is not null then v."contactId" end, v."contextWamid", v."targetWamid", v.media, v.content, v.forwarded, v."frequentlyForwarded", v."referredProduct", v.referral, v.payload, v."receivedAt"
        from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb) v("accountId" uuid, "connectionId" uuid, "conversationId" uuid, wamid text, direction text, source text, type text, text text,
          at timestamptz, "groupId" text, "contactId" uuid, "contextWamid" text, "targetWamid" text, media jsonb, content jsonb, forwarded boolean,
          "frequentlyForwarded" boolean, "referredProduct" jsonb, referral jsonb, payload jsonb, "receivedAt" timestamptz)
        order by v."connectionId", v.wamid
        on conflict (connection_id, wamid) do nothing returning connection_id as "connectionId", wamid`,
  )
  return new Set(rows.map(messageKey))
}

/** Of a conversation's last message a list shows no more. */
const lastTextLength = sql`1000`

export interface Growth {
  conversationId: string
  /** New inbound messages that wait to be read; less than none when such messages are gone. */
  count: number
  windowUntil: Date | null
}

/**
 * Brings locked conversations up to date with messages that were just inserted, changed or deleted. The last message is read from the
 * rows and a window never shrinks, so that every order of arrival ends the same. What is about another message is none while that one is
 * stored. A conversation whose messages are gone keeps its place in the list, without a text.
 */
export async function updateConversations(tx: Tx, growths: readonly Growth[]): Promise<void> {
  if (growths.length === 0) return
  await sql`update conversations c
    set unread = greatest(c.unread + v.count, 0), window_until = greatest(c.window_until, v."windowUntil"),
        last_message_at = coalesce(m.at, c.last_message_at), last_text = coalesce(m.text, '')
    from jsonb_to_recordset(${JSON.stringify(growths)}::jsonb) v("conversationId" uuid, count integer, "windowUntil" timestamptz)
    left join lateral (
      select at, case when revoked_at is not null then '[message deleted]' when length(text) > ${lastTextLength} then left(text, ${lastTextLength}) || '…'
        else text end as text from messages o
      where conversation_id = v."conversationId" and not ${isAboutStored(sql`o`)} order by at desc, wamid desc limit 1) m on true
    where c.id = v."conversationId"`.execute(tx.sql)
}

/** True for a row of messages that is about another one, which is stored: it is seen on that one. */
export const isAboutStored = (
  row: ReturnType<typeof sql>,
) => sql<boolean>`(${row}.target_wamid is not null and exists (
  select from messages t where t.connection_id = ${row}.connection_id and t.wamid = ${row}.target_wamid and t.conversation_id = ${row}.conversation_id))`
