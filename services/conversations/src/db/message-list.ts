import { query, queryOne, selectList, sql, type Tx } from '@lockstep/database'
import type { ConversationRow, Page } from './conversations.ts'
import { type ListedFields, messageFields } from './message-fields.ts'
import { isAboutStored } from './messages.ts'

export interface MessageRow extends ListedFields {
  id: string
  wamid: string
  at: Date
  groupId: string | null
  /** Who wrote it; null for what the business wrote. */
  contactId: string | null
  editedAt: Date | null
  originalText: string | null
  revokedAt: Date | null
  reactions: { emoji: string; atMs: number; contactId: string }[]
}

const listedFields = selectList(
  messageFields,
  Object.keys(messageFields).filter(
    (name) => name !== 'media' && messageFields[name as keyof typeof messageFields] === 'jsonb',
  ),
)

/** Of the texts and contents of one page; a longer message has a page of its own. */
const maxPageBytes = 4 * 1024 * 1024

/**
 * A conversation's messages, newest first; reactions, edits and deletions are rows only while their
 * message is not stored. `isLast` is false when more follow: a page of long messages ends early.
 */
export async function listMessages(
  tx: Tx,
  { id, contactId }: Pick<ConversationRow, 'id' | 'contactId'>,
  { after, limit }: Page,
): Promise<{ rows: MessageRow[]; isLast: boolean }> {
  const place = sql`(select at, wamid from messages where id = ${after}::bigint)`
  const bytes = sql`octet_length(text) + coalesce(octet_length(original_text), 0)
    + coalesce(octet_length(content::text), 0)`
  const found = await query<MessageRow & { fits: boolean }>(
    tx,
    sql`select m.id::text, wamid, at, group_id as "groupId", ${listedFields},
          case when direction = 'in' then coalesce(contact_id, ${contactId}::uuid) end
            as "contactId",
          edited_at as "editedAt", original_text as "originalText", revoked_at as "revokedAt",
          coalesce(${reactionsOfMessage(contactId)}, '[]') as reactions,
          sum(${bytes}) over w <= ${maxPageBytes} or row_number() over w = 1 as fits
        from messages m
        where account_id = ${tx.accountId} and conversation_id = ${id}
          and not ${isAboutStored(sql`m`)} ${after ? sql`and (at, wamid) < ${place}` : sql``}
        window w as (order by at desc, wamid desc)
        order by at desc, wamid desc limit ${limit + 1}`,
  )
  const rows = found.filter((row, at) => row.fits && at < limit).map(({ fits: _, ...row }) => row)
  return { rows, isLast: rows.length === found.length }
}

/** Reactions to the message `m` of a contact's conversation, in their order. */
const reactionsOfMessage = (contactId: string | null) => sql`(
  select jsonb_agg(jsonb_build_object(
    'emoji', r.emoji, 'atMs', floor(extract(epoch from r.at) * 1000),
    'contactId', case r.member_id when '' then ${contactId} when 'business' then ''
                                  else r.member_id end) order by r.at, r.wamid)
  from reactions r
  where r.connection_id = m.connection_id and r.target_wamid = m.wamid and r.emoji <> '')`

/**
 * How many messages people sent to a connection since a time; without reactions, edits, deletions,
 * system messages and calls. The conditions are those of the index messages_inbound.
 */
export async function countInbound(tx: Tx, connectionId: string, since: Date): Promise<number> {
  const row = await queryOne<{ messages: number }>(
    tx,
    sql`select count(*)::int as messages from messages
        where account_id = ${tx.accountId} and connection_id = ${connectionId}
          and direction = 'in' and source <> 'history' and received_at >= ${since}
          and target_wamid is null and type not in ('system', 'request_welcome', 'call')`,
  )
  return row!.messages
}
