import { query, sql, type Tx } from '@lockstep/database'
import { updateConversations } from './conversations.ts'

/**
 * Takes the content out of the messages of conversations with contacts, and of those that they
 * wrote in groups. Conversations are locked before messages.
 */
export async function blankMessages(tx: Tx, contactIds: string[]): Promise<void> {
  const own = sql`select id from conversations
    where contact_id = any(${contactIds}::uuid[]) and account_id = ${tx.accountId}::uuid`
  const conversations = await query<{ id: string; isMerged: boolean }>(
    tx,
    sql`select id, merged_into is not null as "isMerged" from conversations
        where id in (${own} union select conversation_id from messages
                     where contact_id = any(${contactIds}::uuid[])
                       and account_id = ${tx.accountId}::uuid)
        order by id for update`,
  )
  await sql`with found as materialized (
      select m.id from (${own}) c
        cross join lateral (select id from messages where conversation_id = c.id offset 0) m
      union
      select id from messages
      where contact_id = any(${contactIds}::uuid[]) and account_id = ${tx.accountId}::uuid),
    locked as (
      select m.id from found f join messages m on m.id = f.id
      where m.payload <> '{}' order by m.id for update of m)
    update messages m set text = '', payload = '{}', media = null, content = null,
      referred_product = null, referral = null, original_text = null
    from locked l where m.id = l.id`.execute(tx.sql)
  await updateConversations(
    tx,
    conversations
      .filter(({ isMerged }) => !isMerged)
      .map(({ id }) => ({ conversationId: id, unreadChange: 0, windowUntil: null })),
  )
}
