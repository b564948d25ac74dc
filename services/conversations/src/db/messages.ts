import type { MessageDirection } from '@lockstep/contracts'
import { columnList, query, type RawBuilder, rowset, sql, type Tx } from '@lockstep/database'
import { type CallFacts, callText, mergeCallFacts } from '@lockstep/whatsapp'
import { type MessageFields, messageFields } from './message-fields.ts'

/** A conversation is known by its connection and its contact or group. */
export interface ConversationKey {
  accountId: string
  connectionId: string
  contactId: string
  groupId?: string | undefined
}

/** A message is known by its number's connection and Meta's id. */
export interface MessageKey {
  connectionId: string
  wamid: string
}

export const messageKey = ({ connectionId, wamid }: MessageKey): string =>
  `${connectionId} ${wamid}`

export interface NewMessage extends ConversationKey, MessageFields {
  conversationId: string
  wamid: string
  at: Date
  /** Of a reaction; empty when it was taken back. */
  emoji: string | undefined
  /** Of an event of a call. */
  call?: CallFacts
  payload: object
  receivedAt: Date
}

const messageColumns = {
  accountId: 'uuid',
  connectionId: 'uuid',
  conversationId: 'uuid',
  wamid: 'text',
  at: 'timestamptz',
  groupId: 'text',
  contactId: 'uuid',
  payload: 'jsonb',
  receivedAt: 'timestamptz',
  ...messageFields,
} as const

/** Stores messages; answers the ids of those that were not stored before, by their keys. */
export async function insertMessages(
  tx: Tx,
  messages: readonly NewMessage[],
): Promise<Map<string, string>> {
  // Only in a group it is not the conversation that says who wrote.
  const rows = messages.map((message) => ({
    ...message,
    contactId: message.groupId === undefined ? null : message.contactId,
  }))
  const inserted = await query<MessageKey & { id: string }>(
    tx,
    sql`insert into messages (${columnList(messageColumns)})
        select v.* from ${rowset(rows, messageColumns)}
        order by v.connection_id, v.wamid
        on conflict (connection_id, wamid) do nothing
        returning id::text, connection_id as "connectionId", wamid`,
  )
  return new Map(inserted.map((row) => [messageKey(row), row.id]))
}

interface CallRow extends MessageKey {
  conversationId: string
  at: Date
  call?: CallFacts | undefined
}

/** Adds events of calls to the rows of those calls; their conversations are locked. */
export async function updateCalls(tx: Tx, calls: readonly CallRow[]): Promise<void> {
  if (calls.length === 0) return
  const stored = await query<{
    id: string
    direction: MessageDirection
    content: unknown
    call: CallFacts
    at: Date
  }>(
    tx,
    sql`select m.id::text, m.direction, m.content, v.call, least(m.at, v.at) as at
        from ${rowset(calls, {
          connectionId: 'uuid',
          wamid: 'text',
          conversationId: 'uuid',
          at: 'timestamptz',
          call: 'jsonb',
        })}
        join messages m on m.connection_id = v.connection_id and m.wamid = v.wamid
          and m.conversation_id = v.conversation_id and m.type = 'call'
        order by m.id for update of m`,
  )
  const rows = stored.map(({ id, direction, content, call, at }) => {
    const all = mergeCallFacts(content, call)
    return { id, at, content: all, text: callText(direction, all) }
  })
  await sql`update messages m set at = v.at, content = v.content, text = v.text
    from ${rowset(rows, { id: 'bigint', at: 'timestamptz', content: 'jsonb', text: 'text' })}
    where m.id = v.id`.execute(tx.sql)
}

/** Puts files of the history in place of their placeholders; their conversations are locked. */
export async function fillPlaceholders(tx: Tx, files: readonly NewMessage[]): Promise<void> {
  if (files.length === 0) return
  await sql`update messages m
    set type = v.type, text = v.text, media = v.media, content = v.content, payload = v.payload
    from ${rowset(files, {
      connectionId: 'uuid',
      wamid: 'text',
      conversationId: 'uuid',
      type: 'text',
      text: 'text',
      media: 'jsonb',
      content: 'jsonb',
      payload: 'jsonb',
    })}
    where m.connection_id = v.connection_id and m.wamid = v.wamid
      and m.conversation_id = v.conversation_id and m.type = 'media_placeholder'
      and m.source = 'history' and v.type <> 'media_placeholder'`.execute(tx.sql)
}

/**
 * Brings messages up to date with all stored edits and deletions of them by the same side of the
 * same conversation, whichever came first. That conversation is locked.
 */
export async function applyEdits(tx: Tx, messages: readonly MessageKey[]): Promise<void> {
  if (messages.length === 0) return
  await sql`with edits as (
      select c.connection_id, c.target_wamid, c.conversation_id, c.direction,
        min(at) filter (where type = 'revoke') as revoked_at,
        max(at) filter (where type = 'edit') as edited_at,
        (array_agg(text order by at desc, c.wamid desc) filter (where type = 'edit'))[1] as text,
        (array_agg(media order by at desc, c.wamid desc)
          filter (where type = 'edit' and media is not null))[1] as media
      from (select distinct * from ${rowset(messages, { connectionId: 'uuid', wamid: 'text' })}) v
      join messages c on c.connection_id = v.connection_id and c.target_wamid = v.wamid
        and c.type in ('edit', 'revoke')
      group by c.connection_id, c.target_wamid, c.conversation_id, c.direction)
    update messages m
    set revoked_at = c.revoked_at, edited_at = c.edited_at, text = coalesce(c.text, m.text),
        media = coalesce(c.media, m.media),
        original_text = case when c.text is not null then coalesce(m.original_text, m.text) end
    from edits c
    where m.connection_id = c.connection_id and m.wamid = c.target_wamid
      and m.conversation_id = c.conversation_id and m.direction = c.direction
      and m.target_wamid is null`.execute(tx.sql)
}

/** True for a row of messages that is about another stored one: it is shown on that one. */
export const isAboutStored = (row: RawBuilder<unknown>) =>
  sql<boolean>`(${row}.target_wamid is not null and exists (
    select from messages t where t.connection_id = ${row}.connection_id
      and t.wamid = ${row}.target_wamid and t.conversation_id = ${row}.conversation_id))`
