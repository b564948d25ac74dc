import type { Round } from './measure.ts'
import type { Watcher } from './watcher.ts'
import type { Element } from './webhook-stream.ts'

/** Rows of one statement. */
export const group = 500

/** Writes the rows that any program must leave for these elements, by one prepared statement for 500 of them. */
export async function writeRows(floor: Watcher, elements: readonly Element[]): Promise<Round> {
  const conversations = elements[0]?.person ? await conversationsOf(floor, elements) : []
  const latenciesMs: number[] = []
  const from = performance.now()
  for (let i = 0; i < elements.length; i += group) {
    const before = performance.now()
    const some = elements.slice(i, i + group)
    if (some[0]!.attempt) await writeStatuses(floor, some)
    else await writeMessages(floor, some, conversations.slice(i, i + group))
    latenciesMs.push(performance.now() - before)
  }
  return { operations: elements.length, elapsedMs: performance.now() - from, latenciesMs }
}

/** A conversation of the number for each message; the system has made them before. */
async function conversationsOf(floor: Watcher, elements: readonly Element[]): Promise<string[]> {
  const connections = [...new Set(elements.map(({ number }) => number.connectionId))]
  const found = await floor.sql<{ id: string; connectionId: string }>(
    'select id, connection_id as "connectionId" from conversations.conversations where connection_id = any($1)',
    [connections],
  )
  const byConnection = Map.groupBy(found, (row) => row.connectionId)
  const next = new Map<string, number>()
  return elements.map(({ number: { connectionId } }) => {
    const own = byConnection.get(connectionId) ?? []
    const nth = next.get(connectionId) ?? 0
    next.set(connectionId, nth + 1)
    return own[nth % own.length]!.id
  })
}

function writeMessages(
  floor: Watcher,
  messages: readonly Element[],
  conversationIds: readonly string[],
): Promise<unknown> {
  const payload = { type: 'text', text: { body: 'Is it still there?' } }
  return floor.sql(
    `with m as (
       insert into conversations.messages (account_id, conversation_id, connection_id, wamid, direction, type, text, at, payload, received_at)
       select c.account_id, c.id, c.connection_id, v.wamid, 'in', 'text', $3, now(), $4::jsonb, now()
       from unnest($1::text[], $2::uuid[]) v(wamid, conversation_id) join conversations.conversations c on c.id = v.conversation_id
       order by c.connection_id, v.wamid on conflict do nothing returning conversation_id
     )
     update conversations.conversations c set unread = unread + n.messages, last_text = $3, last_message_at = now(),
       window_until = now() + interval '24 hours'
     from (select conversation_id, count(*)::integer as messages from m group by 1) n where c.id = n.conversation_id`,
    [
      messages.map(({ wamid }) => wamid),
      conversationIds,
      payload.text.body,
      JSON.stringify(payload),
    ],
    'floor-messages',
  )
}

function writeStatuses(floor: Watcher, statuses: readonly Element[]): Promise<unknown> {
  return floor.sql(
    `with a as (
       update campaigns.attempts a set sent_at = case v.kind when 'sent' then now() end,
         delivered_at = case v.kind when 'delivered' then now() end, read_at = case v.kind when 'read' then now() end
       from unnest($1::bigint[], $2::uuid[], $3::text[]) v(id, campaign_id, kind)
       where a.id = v.id and a.campaign_id = v.campaign_id returning a.campaign_id, v.kind
     )
     update campaigns.campaign_statistics s set sent = s.sent + n.sent, delivered = s.delivered + n.delivered, read = s.read + n.read
     from (select campaign_id, count(*)::integer as sent, count(*) filter (where kind <> 'sent')::integer as delivered,
             count(*) filter (where kind = 'read')::integer as read
           from a group by 1) n
     where s.campaign_id = n.campaign_id`,
    [
      statuses.map(({ attempt }) => attempt!.id),
      statuses.map(({ attempt }) => attempt!.campaignId),
      statuses.map(({ attempt }) => attempt!.kind),
    ],
    'floor-statuses',
  )
}
