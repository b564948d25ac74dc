import type { MessageDirection } from '@lockstep/contracts'
import { rowset, sql, type Tx } from '@lockstep/database'
import type { ConversationKey } from './messages.ts'

export interface NewReaction extends ConversationKey {
  conversationId: string
  wamid: string
  direction: MessageDirection
  at: Date
  targetWamid: string | undefined
  emoji: string | undefined
}

/** A person has one reaction to a message: the last one by Meta's time, whenever it arrives. */
export const keepLatest = sql`
  on conflict (connection_id, target_wamid, conversation_id, member_id)
  do update set emoji = excluded.emoji, at = excluded.at, wamid = excluded.wamid
  where (excluded.at, excluded.wamid) > (r.at, r.wamid)`

/** Stores the reactions among messages, whether their target is stored or not. */
export async function recordReactions(tx: Tx, messages: readonly NewReaction[]): Promise<void> {
  const reactions = messages
    .filter(({ targetWamid, emoji }) => targetWamid !== undefined && emoji !== undefined)
    .map(({ contactId, groupId, direction, ...same }) => {
      const person = groupId === undefined ? '' : contactId
      const { accountId, connectionId, conversationId, wamid, at, targetWamid, emoji } = same
      const memberId = direction === 'out' ? 'business' : person
      return { accountId, connectionId, memberId, conversationId, wamid, at, targetWamid, emoji }
    })
  if (reactions.length === 0) return
  await sql`insert into reactions as r
      (account_id, connection_id, target_wamid, conversation_id, member_id, emoji, at, wamid)
    select distinct on (v.connection_id, v.target_wamid, v.conversation_id, v.member_id) v.*
    from ${rowset(reactions, {
      accountId: 'uuid',
      connectionId: 'uuid',
      targetWamid: 'text',
      conversationId: 'uuid',
      memberId: 'text',
      emoji: 'text',
      at: 'timestamptz',
      wamid: 'text',
    })}
    order by v.connection_id, v.target_wamid, v.conversation_id, v.member_id, v.at desc,
      v.wamid desc
    ${keepLatest}`.execute(tx.sql)
}
