import { query, sql, type Tx } from '@lockstep/database'
import { type CallFacts, callText, joinCallFacts } from '@lockstep/whatsapp'
import type { MessageName } from './store.ts'

interface CallRow extends MessageName {
  conversationId: string
  at: Date
  call?: CallFacts | undefined
}

/** Adds what was told of calls that are stored to their rows, whose conversations are locked. */
export async function updateCalls(tx: Tx, calls: readonly CallRow[]): Promise<void> {
  if (calls.length === 0) return
  const stored = await query<{
    id: string
    direction: string
    content: unknown
    call: CallFacts
    at: Date
  }>(
    tx,
    sql`select m.id::text, m.direction, m.content, v.call, least(m.at, v.at) as at
        from jsonb_to_recordset(${JSON.stringify(calls)}::jsonb) v("connectionId" uuid, wamid text, "conversationId" uuid, at timestamptz, call jsonb)
        join messages m on m.connection_id = v."connectionId" and m.wamid = v.wamid and m.conversation_id = v."conversationId" and m.type = 'call'
        order by m.id for update of m`,
  )
  const rows = stored.map(({ id, direction, content, call, at }) => {
    const all = joinCallFacts(content, call)
    return { id, at, content: all, text: callText(direction, all) }
  })
  await sql`update messages m set at = v.at, content = v.content, text = v.text
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) v(id bigint, at timestamptz, content jsonb, text text) where m.id = v.id`.execute(
    tx.sql,
  )
}

/** Puts files of the history in place of the marks that stood for them; their conversations are locked. */
export async function fillPlaceholders(
  tx: Tx,
  files: readonly (MessageName & { conversationId: string })[],
): Promise<void> {
  if (files.length === 0) return
  await sql`update messages m set type = v.type, text = v.text, media = v.media, content = v.content, payload = v.payload
    from jsonb_to_recordset(${JSON.stringify(files)}::jsonb)
      v("connectionId" uuid, wamid text, "conversationId" uuid, type text, text text, media jsonb, content jsonb, payload jsonb)
    where m.connection_id = v."connectionId" and m.wamid = v.wamid and m.conversation_id = v."conversationId"
      and m.type = 'media_placeholder' and m.source = 'history' and v.type <> 'media_placeholder'`.execute(
    tx.sql,
  )
}
