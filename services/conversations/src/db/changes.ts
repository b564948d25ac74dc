import { sql, type Tx } from '@lockstep/database'
import type { MessageName, Sender } from './store.ts'

export interface NewReaction extends Sender {
  conversationId: string
  wamid: string
  direction: string
  at: Date
  targetWamid: string | undefined
  emoji: string | undefined
}

/** Notes reactions on the messages that they are about, stored or not: of a person's the last by Meta's time stays, whenever it comes. */
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
  await sql`insert into reactions as r (account_id, connection_id, target_wamid, conversation_id, member_id, emoji, at, wamid)
    select distinct on (v."connectionId", v."targetWamid", v."conversationId", v."memberId")
      v."accountId", v."connectionId", v."targetWamid", v."conversationId", v."memberId", v.emoji, v.at, v.wamid
    from jsonb_to_recordset(${JSON.stringify(reactions)}::jsonb) v("accountId" uuid, "connectionId" uuid, "targetWamid" text,
      "conversationId" uuid, "memberId" text, emoji text, at timestamptz, wamid text)
    order by v."connectionId", v."targetWamid", v."conversationId", v."memberId", v.at desc, v.wamid desc
    on conflict (connection_id, target_wamid, conversation_id, member_id) do update set emoji = excluded.emoji, at = excluded.at, wamid = excluded.wamid
    where (excluded.at, excluded.wamid) > (r.at, r.wamid)`.execute(tx.sql)
}

/**
 * Brings messages up to date with all edits and deletions of them that are stored, whichever came first. Only those of the same
 * side of the same conversation count, which is locked: nobody changes a message, or adds what is about one, without that lock.
 */
export async function applyChanges(tx: Tx, changed: readonly MessageName[]): Promise<void> {
  if (changed.length === 0) return
  await sql`with changes as (
      select c.connection_id, c.target_wamid, c.conversation_id, c.direction, min(at) filter (where type = 'revoke') as revoked_at,
        max(at) filter (where type = 'edit') as edited_at,
        (array_agg(text order by at desc, c.wamid desc) filter (where type = 'edit'))[1] as text,
        (array_agg(media order by at desc, c.wamid desc) filter (where type = 'edit' and media is not null))[1] as media
      from (select distinct * from unnest(${changed.map((one) => one.connectionId)}::uuid[], ${changed.map((one) => one.wamid)}::text[])
              v(connection_id, wamid)) v
      join messages c on c.connection_id = v.connection_id and c.target_wamid = v.wamid and c.type in ('edit', 'revoke')
      group by c.connection_id, c.target_wamid, c.conversation_id, c.direction)
    update messages m set revoked_at = c.revoked_at, edited_at = c.edited_at, text = coalesce(c.text, m.text), media = coalesce(c.media, m.media),
      original_text = case when c.text is not null then coalesce(m.original_text, m.text) end
    from changes c
    where m.connection_id = c.connection_id and m.wamid = c.target_wamid and m.conversation_id = c.conversation_id
      and m.direction = c.direction and m.target_wamid is null`.execute(tx.sql)
}
