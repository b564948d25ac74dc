import { randomBytes } from 'node:crypto'
import type { Tenant } from '@lockstep/testing/system'
import { duplicates, type Guard } from './scenario.ts'
import type { Race } from './system.ts'

/** A tenant to whom people write: wamid and sender of each message. */
export interface Written {
  tenant: Tenant
  messages: { wamid: string; from: string }[]
}

/** `people` persons who have never written before, with `each` messages. */
export async function writers({ system }: Race, people: number, each: number): Promise<Written> {
  const tenant = await system.addTenant()
  const messages = Array.from({ length: people * each }, (_, i) => ({
    wamid: `wamid.${randomBytes(12).toString('hex')}`,
    from: `4915120000${100 + (i % people)}`,
  }))
  return { tenant, messages }
}

/** Delivers messages in one body. */
export function deliverMessages(
  race: Race,
  { tenant }: Written,
  messages: Written['messages'],
): Promise<void> {
  const timestamp = String(Math.floor(Date.now() / 1000))
  return race.deliver(tenant, {
    contacts: messages.map(({ from }) => ({ wa_id: from, profile: { name: 'A person' } })),
    messages: messages.map(({ wamid, from }) => ({
      id: wamid,
      from,
      timestamp,
      type: 'text',
      text: { body: 'Hello' },
    })),
  })
}

export const messageRows: Guard = {
  is: 'unique (connection, wamid) and (connection, contact), the conversation’s row lock',
  statements: [
    {
      in: 'insert into messages',
      replace: String.raw`order by v\.connection_id, v\.wamid\s+on conflict \(connection_id, wamid\) do nothing`,
      by: 'where not exists (select from messages m where m.wamid = v.wamid)',
    },
    {
      in: 'insert into conversations',
      replace: String.raw`order by v\.connection_id, v\.contact_id, v\.group_id\s+on conflict do nothing`,
      by: 'where not exists (select from conversations c where c.contact_id = v.contact_id)',
    },
    { in: 'select c.id, c.connection_id as "connectionId"', replace: ' for update of c', by: '' },
  ],
  drop: [
    'alter table conversations.messages drop constraint messages_connection_id_wamid_key',
    'alter table conversations.conversations drop constraint conversations_connection_id_contact_id_key',
  ],
  restore: [
    'truncate conversations.messages, conversations.conversations',
    'alter table conversations.messages add unique (connection_id, wamid)',
    'alter table conversations.conversations add unique (connection_id, contact_id)',
  ],
}

/** Messages and conversations that are there twice or not at all, and wrong unread counts. */
export async function wrongInbox(race: Race, { tenant, messages }: Written): Promise<string[]> {
  const ofConnection = 'connection_id = $1'
  const params = [tenant.connectionId]
  const conflicts = await duplicates(race, 'conversations.messages', 'wamid', ofConnection, params)
  conflicts.push(
    ...(await duplicates(race, 'conversations.conversations', 'contact_id', ofConnection, params)),
  )
  const [stored] = await race.sql<{ n: number; unread: number }>(
    `select (select count(distinct wamid)::int from conversations.messages where ${ofConnection}) as n,
            (select coalesce(sum(unread), 0)::int from conversations.conversations where ${ofConnection}) as unread`,
    params,
  )
  if (stored!.n !== messages.length)
    conflicts.push(`${stored!.n} messages of ${messages.length} are stored`)
  if (stored!.unread !== messages.length)
    conflicts.push(`${stored!.unread} messages count as unread, ${messages.length} were sent`)
  return conflicts
}
