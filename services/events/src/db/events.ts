import type { EventContent, EventTopic, LaneName } from '@lockstep/contracts'
import { columnList, query, queryOne, rowset, sql, type Tx } from '@lockstep/database'

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

/** Gives ids to the events that are not there yet, in their order; answers how many they are. */
export async function insertEvents(
  tx: Tx,
  source: LaneName,
  events: readonly NewEvent[],
): Promise<number> {
  const columns = {
    ...({ accountId: 'uuid', occurredAt: 'timestamptz', topic: 'text', kind: 'text' } as const),
    ...({ subjectId: 'text', body: 'jsonb', entryId: 'bigint', place: 'integer' } as const),
  }
  const row = await queryOne<{ inserted: number }>(
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
          order by f.nth returning account_id, id
        ), newest as (select account_id, max(id) as id from written group by account_id
        ), moved as (
          update event_positions p set last_id = newest.id from newest
          where p.account_id = newest.account_id)
        select count(*)::int as inserted from written`,
  )
  return row!.inserted
}

/** Events of the account with a greater id than `after`, in id order. */
export function listEventsAfter(
  tx: Tx,
  { topics, after, limit }: { topics: readonly EventTopic[]; after: string; limit: number },
): Promise<StoredEvent[]> {
  return query(
    tx,
    sql`select e.id::text, e.topic, e.kind, e.subject_id as "subjectId", e.body,
          e.occurred_at as "occurredAt"
        from unnest(${topics}::text[]) t(topic) cross join lateral (
          select * from events where account_id = ${tx.accountId} and topic = t.topic
            and id > ${after}::bigint order by id limit ${limit}) e
        order by e.id limit ${limit}`,
  )
}
