import { query, queryOne, rowset, sql, type Tx } from '@lockstep/database'
import type { Merged } from '@lockstep/rpc/gen/contacts'
import { v7 as uuid } from 'uuid'
import { type ConversationKey, isAboutStored } from './messages.ts'

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
}: Omit<ConversationKey, 'accountId'> | LockedConversation): string =>
  groupId == null ? `${connectionId} ${contactId}` : `${connectionId} group ${groupId}`

/**
 * Finds or creates the conversations of keys and of contacts that were merged, and locks their
 * rows in the order of their ids.
 */
export async function lockConversations(
  tx: Tx,
  connections: readonly { id: string; accountId: string }[],
  keys: readonly ConversationKey[],
  merged: readonly Merged[],
): Promise<Map<string, LockedConversation>> {
  const former = await formerConversations(tx, connections, merged)
  const wanted = uniqueKeys([...keys, ...former.map((each) => each.into)])
  await insertConversations(tx, wanted)
  const all = [...wanted, ...former]
  const join = all.some((each) => each.groupId !== undefined) ? joinWithGroups : joinByContact
  const rows = await query<LockedConversation>(
    tx,
    sql`select c.id, c.connection_id as "connectionId", c.contact_id as "contactId",
               c.group_id as "groupId"
        from ${rowset(all.map(withOneKey), {
          connectionId: 'uuid',
          contactId: 'uuid',
          groupId: 'text',
        })}
        ${join} order by c.id for update of c`,
  )
  return new Map(rows.map((row) => [conversationKey(row), row]))
}

const uniqueKeys = (keys: readonly ConversationKey[]): ConversationKey[] => [
  ...new Map(keys.map((key) => [conversationKey(key), key])).values(),
]

/** Of a conversation of a group the contact is null. */
const withOneKey = (key: ConversationKey) => ({
  ...key,
  contactId: key.groupId === undefined ? key.contactId : null,
})

async function insertConversations(tx: Tx, keys: readonly ConversationKey[]): Promise<void> {
  const rows = keys.map((key) => ({ id: uuid(), ...withOneKey(key) }))
  await sql`insert into conversations (id, account_id, connection_id, contact_id, group_id)
    select v.* from ${rowset(rows, {
      id: 'uuid',
      accountId: 'uuid',
      connectionId: 'uuid',
      contactId: 'uuid',
      groupId: 'text',
    })}
    order by v.connection_id, v.contact_id, v.group_id
    on conflict do nothing`.execute(tx.sql)
}

const joinByContact = sql`
  join conversations c on c.connection_id = v.connection_id and c.contact_id = v.contact_id`

/**
 * Two look-ups: with an "or" the planner would compare each row with all conversations of its
 * number.
 */
const joinWithGroups = sql`
  cross join lateral (
    select o.id from conversations o
    where o.connection_id = v.connection_id and o.contact_id = v.contact_id
    union all
    select o.id from conversations o
    where o.connection_id = v.connection_id and o.group_id = v.group_id) k
  join conversations c on c.id = k.id`

/**
 * Conversations of contacts that were merged, each with the key of the conversation it goes into.
 */
async function formerConversations(
  tx: Tx,
  connections: readonly { id: string; accountId: string }[],
  merged: readonly Merged[],
): Promise<(ConversationKey & { into: ConversationKey })[]> {
  if (merged.length === 0) return []
  const intoOf = new Map(merged.map((each) => [each.contactId, each.into]))
  const rows = await query<ConversationKey>(
    tx,
    sql`select account_id as "accountId", connection_id as "connectionId",
               contact_id as "contactId"
        from conversations
        where connection_id = any(${connections.map((connection) => connection.id)}::uuid[])
          and contact_id = any(${[...intoOf.keys()]}::uuid[])`,
  )
  return rows.map((row) => ({ ...row, into: { ...row, contactId: intoOf.get(row.contactId)! } }))
}

/** A list shows no more of a conversation's last message. */
const maxLength = sql`1000`

export interface ConversationChange {
  conversationId: string
  /** New messages that wait to be read; negative when such messages were deleted. */
  unreadChange: number
  windowUntil: Date | null
}

/**
 * Brings locked conversations up to date with messages that were inserted, changed or deleted. The
 * last message is read from the rows and a window never shrinks, so that every order of arrival
 * ends the same.
 */
export async function updateConversations(
  tx: Tx,
  changes: readonly ConversationChange[],
): Promise<void> {
  if (changes.length === 0) return
  // A conversation without messages keeps its time, and so its place in the list.
  await sql`update conversations c
    set unread = greatest(c.unread + v.unread_change, 0),
        window_until = greatest(c.window_until, v.window_until),
        last_message_at = coalesce(m.at, c.last_message_at), last_text = coalesce(m.text, '')
    from ${rowset(changes, {
      conversationId: 'uuid',
      unreadChange: 'integer',
      windowUntil: 'timestamptz',
    })}
    left join lateral (
      select at, case when revoked_at is not null then '[message deleted]'
                      when length(text) > ${maxLength} then left(text, ${maxLength}) || '…'
                      else text end as text
      from messages o
      where conversation_id = v.conversation_id and not ${isAboutStored(sql`o`)}
      order by at desc, wamid desc limit 1) m on true
    where c.id = v.conversation_id`.execute(tx.sql)
}

export interface Page {
  /** Id of the last row of the page before; empty for the first page. */
  after: string
  limit: number
}

export interface ConversationRow {
  id: string
  connectionId: string
  /** With one person, or with a group. */
  contactId: string | null
  groupId: string | null
  unread: number
  lastText: string
  lastMessageAt: Date
  windowUntil: Date | null
}

/**
 * The account's conversations with a message, newest first. After a merged one it goes on from its
 * former place.
 */
export function listConversations(tx: Tx, { after, limit }: Page): Promise<ConversationRow[]> {
  const place = sql`(select coalesce(last_message_at, last_message_at_before_merge), id
    from conversations where id = ${after})`
  return query(
    tx,
    sql`select id, connection_id as "connectionId", contact_id as "contactId",
               group_id as "groupId", unread, last_text as "lastText",
               last_message_at as "lastMessageAt",
               window_until as "windowUntil"
        from conversations where account_id = ${tx.accountId} and last_message_at is not null
          ${after ? sql`and (last_message_at, id) < ${place}` : sql``}
        order by last_message_at desc, id desc limit ${limit}`,
  )
}

/** The account's conversation, or the one that it was merged into; undefined when there is none. */
export function findConversation(
  tx: Tx,
  id: string,
): Promise<Pick<ConversationRow, 'id' | 'contactId'> | undefined> {
  return queryOne(
    tx,
    sql`with recursive chain as (
          select id, contact_id, merged_into from conversations
          where account_id = ${tx.accountId} and id = ${id}
          union select n.id, n.contact_id, n.merged_into
          from chain join conversations n on n.id = chain.merged_into)
        select id, contact_id as "contactId" from chain where merged_into is null`,
  )
}
