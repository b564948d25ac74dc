import { query, type RawBuilder, sql, type Tx } from '@lockstep/database'
import type { Merged } from '@lockstep/rpc/gen/contacts'
import { conversationKey, type LockedConversation } from './conversations.ts'
import type { MessageKey } from './messages.ts'
import { keepLatest } from './reactions.ts'

/**
 * Moves what locked conversations of merged contacts hold into those of the contacts that they are
 * now, as often as it is called. Answers what is to be looked at again.
 */
export async function mergeConversations(
  tx: Tx,
  merged: readonly Merged[],
  conversations: ReadonlyMap<string, LockedConversation>,
): Promise<{ messages: MessageKey[]; conversationIds: string[] }> {
  const intoOf = new Map(merged.map((each) => [each.contactId, each.into]))
  const pairs = [...conversations.values()].flatMap(({ id, connectionId, contactId }) => {
    const into = contactId === null ? undefined : intoOf.get(contactId)
    const to = into && conversations.get(conversationKey({ connectionId, contactId: into }))
    return to ? [{ from: id, to: to.id }] : []
  })
  if (pairs.length === 0) return { messages: [], conversationIds: [] }
  const v = sql`jsonb_to_recordset(${JSON.stringify(pairs)}::jsonb) v("from" uuid, "to" uuid)`
  const messages = await moveMessages(tx, v)
  await moveReactions(tx, v)
  await moveTotals(tx, v)
  return { messages, conversationIds: [...new Set(pairs.map((pair) => pair.to))] }
}

/** Answers the messages that moved, or that they are about. */
function moveMessages(tx: Tx, v: RawBuilder<unknown>): Promise<MessageKey[]> {
  return query(
    tx,
    sql`with locked as (
          select m.id, v."to" from ${v} join messages m on m.conversation_id = v."from"
          order by m.id for update of m)
        update messages m set conversation_id = l."to" from locked l
        where m.id = l.id
        returning m.connection_id as "connectionId", coalesce(m.target_wamid, m.wamid) as wamid`,
  )
}

async function moveReactions(tx: Tx, v: RawBuilder<unknown>): Promise<void> {
  await sql`with moved as (
      delete from reactions r using ${v} where r.conversation_id = v."from"
      returning r.account_id, r.connection_id, r.target_wamid, v."to", r.member_id, r.emoji, r.at,
                r.wamid)
    insert into reactions as r
      (account_id, connection_id, target_wamid, conversation_id, member_id, emoji, at, wamid)
    select distinct on (target_wamid, "to", member_id) * from moved
    order by target_wamid, "to", member_id, at desc, wamid desc
    ${keepLatest}`.execute(tx.sql)
}

async function moveTotals(tx: Tx, v: RawBuilder<unknown>): Promise<void> {
  await sql`update conversations c
    set unread = c.unread + o.unread, window_until = greatest(c.window_until, o.window_until),
        last_message_at = greatest(c.last_message_at, o.last_message_at)
    from (select v."to", sum(f.unread)::int as unread, max(f.window_until) as window_until,
                 max(f.last_message_at) as last_message_at
          from ${v} join conversations f on f.id = v."from" group by v."to") o
    where c.id = o."to"`.execute(tx.sql)
  await sql`update conversations c
    set unread = 0, window_until = null, last_text = '', last_message_at = null,
        last_message_at_before_merge = coalesce(c.last_message_at, c.last_message_at_before_merge),
        merged_into = v."to"
    from ${v} where c.id = v."from"`.execute(tx.sql)
}
