import { type Database, query, sql, type Tx } from '@lockstep/database'
import type { MessageKind } from '../inbound/message-types.ts'

export interface OldMessage {
  id: string
  accountId: string
  conversationId: string
}

/**
 * Those of the `limit` messages of all accounts that were stored first which were received before a
 * time.
 */
export function oldMessages(db: Database, before: Date, limit: number): Promise<OldMessage[]> {
  return db.statement(
    sql`select id::text, account_id as "accountId", conversation_id as "conversationId"
        from messages_to_forget(${before}, ${limit})`,
  )
}

export interface DeletedMessage extends MessageKind {
  conversationId: string
}

/**
 * Deletes messages, and the reactions that they are, under the locks of their conversations. A
 * message that moved to another conversation meanwhile is left for the next run.
 */
export async function deleteMessages(
  tx: Tx,
  messages: readonly OldMessage[],
): Promise<DeletedMessage[]> {
  const conversationIds = messages.map((message) => message.conversationId)
  await sql`select from conversations where id = any(${[...new Set(conversationIds)]}::uuid[])
    order by id for update`.execute(tx.sql)
  const deleted = await query<
    DeletedMessage & { connectionId: string; wamid: string; targetWamid: string | null }
  >(
    tx,
    sql`with locked as (
          select m.id from unnest(${messages.map((message) => message.id)}::bigint[],
                                  ${conversationIds}::uuid[]) v(id, conversation_id)
          join messages m on m.id = v.id and m.conversation_id = v.conversation_id
          order by m.id for update of m)
        delete from messages m using locked l where m.id = l.id
        returning m.conversation_id as "conversationId", m.connection_id as "connectionId", m.type,
          m.direction, m.source, m.wamid, m.target_wamid as "targetWamid"`,
  )
  const reactions = deleted.filter(({ targetWamid }) => targetWamid !== null)
  if (reactions.length > 0)
    await sql`delete from reactions r
      using jsonb_to_recordset(${JSON.stringify(reactions)}::jsonb)
        v("connectionId" uuid, "targetWamid" text, "conversationId" uuid, wamid text)
      where r.connection_id = v."connectionId" and r.target_wamid = v."targetWamid"
        and r.conversation_id = v."conversationId" and r.wamid = v.wamid`.execute(tx.sql)
  return deleted
}
