import type { DeliveryState, EventTopic } from '@lockstep/contracts'
import {
  type Database,
  query,
  queryOne,
  rowset,
  selectList,
  sql,
  type Tx,
} from '@lockstep/database'
import type { EventKey } from './events.ts'

const eventKey = {
  accountId: 'uuid',
  topic: 'text',
  id: 'bigint',
  occurredAt: 'timestamptz',
} as const

/** The key of a delivery, and the account whose it is. */
export interface EndpointKey {
  endpointId: string
  accountId: string
}

/**
 * Makes the deliveries of events to the enabled endpoints of their accounts, which are locked;
 * answers the endpoints that have something to be posted now.
 */
export function insertDeliveries(tx: Tx, events: readonly EventKey[]): Promise<EndpointKey[]> {
  return query(
    tx,
    sql`with fresh as (
          select w.id as endpoint_id, e.account_id, e.topic, e.id, e.kind, e.subject_id, e.occurred_at,
            row_number() over (partition by w.id, e.subject_id order by e.id) as place
          from ${rowset(events, eventKey)}
          join events e on e.account_id = v.account_id and e.topic = v.topic and e.id = v.id
            and e.occurred_at = v.occurred_at
          join webhook_endpoints w on w.account_id = e.account_id and w.enabled and e.topic = any(w.topics)
        ), inserted as (
          insert into webhook_deliveries (endpoint_id, event_id, account_id, topic, kind, subject_id, occurred_at, next_at)
          select f.endpoint_id, f.id, f.account_id, f.topic, f.kind, f.subject_id, f.occurred_at,
            case when f.place = 1 and not exists (
              select from webhook_deliveries d where d.endpoint_id = f.endpoint_id
                and d.subject_id = f.subject_id and d.state = 'pending') then now() end
          from fresh f order by f.endpoint_id, f.id
          on conflict (endpoint_id, event_id) do nothing
          returning endpoint_id, account_id, next_at)
        select distinct endpoint_id as "endpointId", account_id as "accountId" from inserted
        where next_at is not null`,
  )
}

/** A delivery whose time has come, with its event; `body` is null when that is kept no longer. */
export interface DueDelivery {
  id: string
  topic: EventTopic
  kind: string
  subjectId: string
  attempts: number
  occurredAt: Date
  body: unknown
}

/** Those that have waited longest; of each subject one at most. */
export function dueDeliveries(tx: Tx, endpointId: string, limit: number): Promise<DueDelivery[]> {
  return query(
    tx,
    sql`select d.event_id::text as id, d.topic, d.kind, d.subject_id as "subjectId", d.attempts,
          d.occurred_at as "occurredAt", e.body
        from (select * from webhook_deliveries where endpoint_id = ${endpointId} and next_at <= now()
              order by next_at limit ${limit}) d
        left join events e on e.account_id = d.account_id and e.topic = d.topic
          and e.id = d.event_id and e.occurred_at = d.occurred_at`,
  )
}

/** In how many ms the next delivery of an endpoint is due; null when nothing is pending. */
export async function nextDeliveryMs(tx: Tx, endpointId: string): Promise<number | null> {
  const row = await queryOne<{ ms: number | null }>(
    tx,
    sql`select (extract(epoch from min(next_at) - now()) * 1000)::float8 as ms
        from webhook_deliveries where endpoint_id = ${endpointId} and next_at is not null`,
  )
  return row?.ms == null ? null : Math.max(0, Math.ceil(row.ms))
}

/** What an attempt has led to; with `retryMs` it is made again. */
export interface AttemptResult {
  id: string
  subjectId: string
  /** Attempts before this one: somebody else's result of the same one counts once. */
  attempts: number
  state: DeliveryState
  retryMs: number | null
  status: number
  error: string
}

/** Writes results of attempts to a locked endpoint, and lets the next event of a subject follow. */
export async function writeResults(
  tx: Tx,
  endpointId: string,
  results: readonly AttemptResult[],
): Promise<void> {
  const columns = {
    ...({ id: 'bigint', attempts: 'integer', state: 'text', retryMs: 'float8' } as const),
    ...({ status: 'integer', error: 'text' } as const),
  }
  await sql`update webhook_deliveries d
    set state = v.state, attempts = d.attempts + 1, status = v.status, error = v.error,
      attempted_at = now(), next_at = now() + v.retry_ms * interval '1 millisecond'
    from ${rowset(results, columns)}
    where d.endpoint_id = ${endpointId} and d.event_id = v.id and d.state = 'pending'
      and d.attempts = v.attempts`.execute(tx.sql)
  await markFirst(
    tx,
    endpointId,
    results.map(({ subjectId }) => subjectId),
  )
}

/**
 * Of each of these subjects of a locked endpoint the first pending delivery gets its time, unless it
 * has one, and others lose theirs.
 */
export async function markFirst(
  tx: Tx,
  endpointId: string,
  subjects: readonly string[],
): Promise<void> {
  await sql`with first as materialized (
      select subject_id, (
        select event_id from webhook_deliveries d
        where d.endpoint_id = ${endpointId} and d.subject_id = s.subject_id and d.state = 'pending'
        order by event_id limit 1) as event_id
      from (select distinct unnest(${subjects}::text[]) as subject_id) s
    ), marked as (
      select event_id, true as is_first from first
      union all
      select d.event_id, false from first
      join webhook_deliveries d on d.endpoint_id = ${endpointId} and d.subject_id = first.subject_id
        and d.next_at is not null and d.event_id <> first.event_id)
    update webhook_deliveries d set next_at = case when marked.is_first then now() end
    from marked where d.endpoint_id = ${endpointId} and d.event_id = marked.event_id
      and marked.is_first <> (d.next_at is not null)`.execute(tx.sql)
}

/** Has what waits for its next attempt at a locked endpoint attempted now. */
export async function bringForward(tx: Tx, endpointId: string): Promise<void> {
  await sql`update webhook_deliveries set next_at = now()
    where endpoint_id = ${endpointId} and next_at > now()`.execute(tx.sql)
}

export interface DeliveryRow {
  id: string
  endpointId: string
  kind: string
  subjectId: string
  state: DeliveryState
  attempts: number
  status: number
  error: string
  nextAt: Date | null
  attemptedAt: Date | null
  createdAt: Date
}

const listed = {
  ...{ endpointId: 1, kind: 1, subjectId: 1, state: 1, attempts: 1, status: 1, error: 1 },
  ...{ nextAt: 1, attemptedAt: 1, createdAt: 1 },
}

/** A page of an endpoint's deliveries, the newest event first. */
export function listDeliveryRows(
  tx: Tx,
  page: { endpointId: string; state: string; before: string; limit: number },
): Promise<DeliveryRow[]> {
  const { endpointId, state, before, limit } = page
  return query(
    tx,
    sql`select event_id::text as id, ${selectList(listed)} from webhook_deliveries
        where endpoint_id = ${endpointId} and account_id = ${tx.accountId}
          ${state ? sql`and state = ${state}` : sql``}
          ${before ? sql`and event_id < ${before}::bigint` : sql``}
        order by event_id desc limit ${limit}`,
  )
}

/** Takes deliveries away that are older than a moment, at most so many; answers how many. */
export async function forgetDeliveryPage(
  db: Database,
  before: Date,
  most: number,
): Promise<number> {
  const [row] = await db.statement<{ rows: number }>(
    sql`select forget_deliveries(${before}, ${most}) as rows`,
  )
  return row!.rows
}

/** Events that one replay makes pending at most, the oldest first. */
const maxReplayed = 10_000

/**
 * Makes deliveries of the events since a moment pending, also those that were never made, to a
 * locked endpoint; answers the subject of each.
 */
export async function replaySince(
  tx: Tx,
  { id, topics }: { id: string; topics: readonly EventTopic[] },
  since: Date,
): Promise<string[]> {
  const rows = await query<{ subjectId: string }>(
    tx,
    sql`insert into webhook_deliveries as d (endpoint_id, event_id, account_id, topic, kind, subject_id, occurred_at)
        select ${id}::uuid, e.id, e.account_id, e.topic, e.kind, e.subject_id, e.occurred_at from events e
        where e.account_id = ${tx.accountId} and e.topic = any(${topics}::text[])
          and e.occurred_at >= ${since} order by e.id limit ${maxReplayed}
        on conflict (endpoint_id, event_id) do update set state = 'pending', attempts = 0, next_at = null
        where d.state <> 'pending' returning subject_id as "subjectId"`,
  )
  return rows.map(({ subjectId }) => subjectId)
}

/** Makes these deliveries of a locked endpoint pending; answers the subject of each that was not. */
export async function replayDeliveries(
  tx: Tx,
  endpointId: string,
  eventIds: readonly string[],
): Promise<string[]> {
  const rows = await query<{ subjectId: string }>(
    tx,
    sql`update webhook_deliveries set state = 'pending', attempts = 0, next_at = null
        where endpoint_id = ${endpointId} and account_id = ${tx.accountId}
          and event_id = any(${eventIds}::bigint[]) and state <> 'pending'
        returning subject_id as "subjectId"`,
  )
  return rows.map(({ subjectId }) => subjectId)
}
