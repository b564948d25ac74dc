import { sql, type Tx } from '@lockstep/database'

export interface NewReaction {
  conversationId: string
  wamid: string
  at: Date
  targetWamid: string | undefined
  emoji: string | undefined
}

/** Notes reactions on the messages that they are about, stored or not: of a person's the last by Meta's time stays, whenever it comes. */
export async function recordReactions(tx: Tx, connectionId: string, messages: readonly NewReaction[]): Promise<void> {
  const reactions = messages
    .filter(({ targetWamid, emoji }) => targetWamid !== undefined && emoji !== undefined)
    .map(({ conversationId, wamid, at, targetWamid, emoji }) => ({ conversationId, wamid, at, targetWamid, emoji }))
  if (reactions.length === 0) return
  await sql`insert into reactions as r (account_id, connection_id, target_wamid, conversation_id, emoji, at, wamid)
    select distinct on (v."targetWamid", v."conversationId")
      ${tx.accountId}::uuid, ${connectionId}::uuid, v."targetWamid", v."conversationId", v.emoji, v.at, v.wamid
    from jsonb_to_recordset(${JSON.stringify(reactions)}::jsonb) v("targetWamid" text, "conversationId" uuid, emoji text, at timestamptz, wamid text)
    order by v."targetWamid", v."conversationId", v.at desc, v.wamid desc
    on conflict (connection_id, target_wamid, conversation_id) do update set emoji = excluded.emoji, at = excluded.at, wamid = excluded.wamid
    where (excluded.at, excluded.wamid) > (r.at, r.wamid)`.execute(tx.sql)
}

/**
 * Brings messages up to date with all edits and deletions of them that are stored, whichever came first. Only those of the same
 * conversation count, which is locked: nobody changes a message, or adds what is about one, without that lock.
 */
export async function applyChanges(tx: Tx, connectionId: string, wamids: readonly string[]): Promise<void> {
  await sql`with changes as (
      select target_wamid, conversation_id, min(at) filter (where type = 'revoke') as revoked_at, max(at) filter (where type = 'edit') as edited_at,
        (array_agg(text order by at desc, wamid desc) filter (where type = 'edit'))[1] as text,
        (array_agg(media order by at desc, wamid desc) filter (where type = 'edit' and media is not null))[1] as media
      from messages where account_id = ${tx.accountId} and connection_id = ${connectionId} and target_wamid = any(${[...new Set(wamids)]}::text[])
        and type in ('edit', 'revoke')
      group by target_wamid, conversation_id)
    update messages m set revoked_at = c.revoked_at, edited_at = c.edited_at, text = coalesce(c.text, m.text), media = coalesce(c.media, m.media),
      original_text = case when c.text is not null then coalesce(m.original_text, m.text) end
    from changes c
    where m.account_id = ${tx.accountId} and m.connection_id = ${connectionId} and m.wamid = c.target_wamid and m.conversation_id = c.conversation_id
      and m.target_wamid is null`.execute(tx.sql)
}
