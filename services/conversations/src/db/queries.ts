import { query, queryOne, sql, type Tx } from '@lockstep/database'
import type { Media } from '@lockstep/rpc/gen/conversations'
import { isAboutStored } from './store.ts'

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

/** The account's conversations with a message, newest first; after one whose messages went into another, those after its former place. */
export function listConversations(tx: Tx, { after, limit }: Page): Promise<ConversationRow[]> {
  return query(
    tx,
    sql`select id, connection_id as "connectionId", contact_id as "contactId", group_id as "groupId", unread, last_text as "lastText",
               last_message_at as "lastMessageAt", window_until as "windowUntil"
        from conversations where account_id = ${tx.accountId} and last_message_at is not null
          ${after ? sql`and (last_message_at, id) < (select coalesce(last_message_at, stood_at), id from conversations where id = ${after})` : sql``}
        order by last_message_at desc, id desc limit ${limit}`,
  )
}

/** The account's conversation, or the one that its messages went to; undefined when there is none. */
export function findConversation(
  tx: Tx,
  id: string,
): Promise<Pick<ConversationRow, 'id' | 'contactId'> | undefined> {
  return queryOne(
    tx,
    sql`with recursive chain as (
          select id, contact_id, merged_into from conversations where account_id = ${tx.accountId} and id = ${id}
          union select n.id, n.contact_id, n.merged_into from chain join conversations n on n.id = chain.merged_into)
        select id, contact_id as "contactId" from chain where merged_into is null`,
  )
}

export interface MessageRow {
  id: string
  wamid: string
  direction: string
  source: string
  type: string
  text: string
  at: Date
  groupId: string | null
  /** Who wrote it; null for what the business wrote. */
  contactId: string | null
  contextWamid: string | null
  targetWamid: string | null
  media: Partial<Media> | null
  content: string | null
  forwarded: boolean
  frequentlyForwarded: boolean
  referral: string | null
  referredProduct: string | null
  editedAt: Date | null
  originalText: string | null
  revokedAt: Date | null
  reactions: { emoji: string; atMs: number; contactId: string }[]
}

/** Of the texts and contents of one page; a longer message has a page of its own. */
const maxPageBytes = 4 * 1024 * 1024

/**
 * A conversation's messages, newest first; reactions, edits and deletions stand by themselves only while their message is not stored.
 * When more follow, `isLast` is false: a page ends at `limit` rows, or sooner where they are long.
 */
export async function listMessages(
  tx: Tx,
  { id, contactId }: Pick<ConversationRow, 'id' | 'contactId'>,
  { after, limit }: Page,
): Promise<{ rows: MessageRow[]; isLast: boolean }> {
  const found = await query<MessageRow & { fits: boolean }>(
    tx,
    sql`select m.id::text, wamid, direction, source, type, text, at, group_id as "groupId", case when direction = 'in' then coalesce(contact_id, ${contactId}::uuid) end as "contactId",
          context_wamid as "contextWamid", target_wamid as "targetWamid", media, content::text, forwarded,
          frequently_forwarded as "frequentlyForwarded", referral::text, referred_product::text as "referredProduct",
          edited_at as "editedAt", original_text as "originalText", revoked_at as "revokedAt",
          coalesce((select jsonb_agg(jsonb_build_object('emoji', r.emoji, 'atMs', floor(extract(epoch from r.at) * 1000),
                      'contactId', case r.member_id when '' then ${contactId} when 'business' then '' else r.member_id end) order by r.at, r.wamid)
                    from reactions r where r.connection_id = m.connection_id and r.target_wamid = m.wamid and r.emoji <> ''), '[]') as reactions,
          sum(octet_length(text) + coalesce(octet_length(original_text), 0) + coalesce(octet_length(content::text), 0)) over w <= ${maxPageBytes}
            or row_number() over w = 1 as fits
        from messages m where account_id = ${tx.accountId} and conversation_id = ${id} and not ${isAboutStored(sql`m`)}
          ${after ? sql`and (at, wamid) < (select at, wamid from messages where id = ${after}::bigint)` : sql``}
        window w as (order by at desc, wamid desc) order by at desc, wamid desc limit ${limit + 1}`,
  )
  const rows = found.filter((row, at) => row.fits && at < limit).map(({ fits: _, ...row }) => row)
  return { rows, isLast: rows.length === found.length }
}

/**
 * How many messages people sent to a connection that were received at or after a time; not what they did to others, nor news. The
 * conditions are those of the index messages_counted.
 */
export async function countInbound(tx: Tx, connectionId: string, since: Date): Promise<number> {
  const row = await queryOne<{ messages: number }>(
    tx,
    sql`select count(*)::int as messages from messages
        where account_id = ${tx.accountId} and connection_id = ${connectionId} and direction = 'in' and source <> 'history' and received_at >= ${since}
          and target_wamid is null and type not in ('system', 'request_welcome', 'call')`,
  )
  return row!.messages
}
