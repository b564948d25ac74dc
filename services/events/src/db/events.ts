import { type EventContent, type EventTopic, eventTopics, type LaneName } from '@lockstep/contracts'
import {
  columnList,
  query,
  queryOne,
  type RawBuilder,
  rowset,
  sql,
  type Tx,
} from '@lockstep/database'

/** An event by its keys. */
export interface EventKey {
  accountId: string
  topic: EventTopic
  id: string
  occurredAt: Date
}

const allTopics = Object.keys(eventTopics) as EventTopic[]

/** An event before it has its place in its account's order. */
export interface NewEvent extends EventContent {
  accountId: string
  topic: EventTopic
  /** When its entry was written. */
  occurredAt: Date
  entryId: string
  /** From 0, within its entry. */
  place: number
}

export interface StoredEvent extends EventContent {
  id: string
  topic: EventTopic
  occurredAt: Date
}

/**
 * Holds the accounts' positions until the commit: nobody else gives out ids of theirs meanwhile,
 * so a reader who has seen an id has seen all before it.
 */
export async function lockPositions(tx: Tx, accountIds: readonly string[]): Promise<void> {
  await sql`insert into event_positions (account_id) select unnest(${accountIds}::uuid[])
    order by 1 on conflict (account_id) do nothing`.execute(tx.sql)
  await sql`select from event_positions where account_id = any(${accountIds}::uuid[])
    order by account_id for update`.execute(tx.sql)
}

/** Gives ids to the events that are not there yet, in their order; answers their keys. */
export async function insertEvents(
  tx: Tx,
  source: LaneName,
  events: readonly NewEvent[],
): Promise<EventKey[]> {
  const columns = {
    ...({ accountId: 'uuid', occurredAt: 'timestamptz', topic: 'text', kind: 'text' } as const),
    ...({ subjectId: 'text', body: 'jsonb', entryId: 'bigint', place: 'integer' } as const),
  }
  return query(
    tx,
    sql`with fresh as (
          select v.*, row_number() over (partition by v.account_id order by v.nth) as nth_fresh
          from ${rowset(events, columns, { ordinal: 'nth' })}
          where not exists (select from events e where e.source = ${source} and e.entry_id = v.entry_id
                              and e.place = v.place and e.occurred_at = v.occurred_at)
        ), written as (
          insert into events (id, source, ${columnList(columns)})
          select p.last_id + f.nth_fresh, ${source}, ${sql.join(
            Object.keys(columns).map((name) => sql`f.${columnList({ [name]: '' })}`),
          )}
          from fresh f join event_positions p on p.account_id = f.account_id
          order by f.nth returning account_id, topic, id, occurred_at
        ), newest as (select account_id, max(id) as id from written group by account_id
        ), moved as (
          update event_positions p set last_id = newest.id from newest
          where p.account_id = newest.account_id)
        select account_id as "accountId", topic, id::text, occurred_at as "occurredAt" from written`,
  )
}

const eventColumns = sql`e.id::text, e.topic, e.kind, e.subject_id as "subjectId", e.body,
  e.occurred_at as "occurredAt"`

/** Events `e` of an account and of topics after an id, in id order: by the index of each topic. */
const eventsAfter = (
  account: RawBuilder<unknown>,
  topics: readonly EventTopic[],
  after: RawBuilder<unknown>,
  limit: number,
) => sql`select e.* from unnest(${topics}::text[]) t(topic) cross join lateral (
    select * from events where account_id = ${account} and topic = t.topic and id > ${after}
    order by id limit ${limit}) e
  order by e.id limit ${limit}`

/** Events of the account with a greater id than `after`, in id order. */
export function listEventsAfter(
  tx: Tx,
  { topics, after, limit }: { topics: readonly EventTopic[]; after: string; limit: number },
): Promise<StoredEvent[]> {
  const rows = eventsAfter(sql`${tx.accountId}`, topics, sql`${after}::bigint`, limit)
  return query(tx, sql`select ${eventColumns} from (${rows}) e order by e.id`)
}

/** Of each account the first events with greater ids than its own `after`, in id order. */
export function listNewEvents(
  tx: Tx,
  positions: readonly { accountId: string; after: string }[],
  limit: number,
): Promise<(StoredEvent & { accountId: string })[]> {
  const rows = eventsAfter(sql`v.account_id`, allTopics, sql`v.after`, limit)
  return query(
    tx,
    sql`select ${eventColumns}, e.account_id as "accountId"
        from ${rowset(positions, { accountId: 'uuid', after: 'bigint' })}
        join event_positions p on p.account_id = v.account_id and p.last_id > v.after
        cross join lateral (${rows}) e
        order by e.account_id, e.id`,
  )
}

/** The account's last id, and the id up to which its events may be gone; 0 for none. */
export async function readPosition(tx: Tx): Promise<{ lastId: string; droppedId: string }> {
  const row = await queryOne<{ lastId: string; droppedId: string }>(
    tx,
    sql`select last_id::text as "lastId", dropped_id::text as "droppedId" from event_positions
        where account_id = ${tx.accountId}`,
  )
  return row ?? { lastId: '0', droppedId: '0' }
}
