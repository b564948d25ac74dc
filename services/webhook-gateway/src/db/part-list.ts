import { query, type RawBuilder, sql, type Tx } from '@lockstep/database'
import type { Part, PartCount } from '@lockstep/rpc/gen/webhook_gateway'

/**
 * Parts and elements by outcome and field: of the days with tables, and of older parts that are
 * open or dead.
 */
export function countsByOutcome(tx: Tx): Promise<PartCount[]> {
  return query(
    tx,
    sql`select outcome, field, sum(parts)::float8 as parts, sum(elements)::float8 as elements
        from (select outcome, field, parts, elements from webhook_part_counts
              union all
              select coalesce(outcome, 'open'), coalesce(field, ''), 1, elements
              from webhook_parts_unresolved) c
        group by 1, 2 having sum(parts) <> 0 order by 1, 2`,
  )
}

/** Sums up the counts: each statement has added rows for what it changed. */
export async function sumCounts(tx: Tx): Promise<void> {
  await sql`with deleted as (delete from webhook_part_counts returning *)
    insert into webhook_part_counts (day, outcome, field, parts, elements)
    select day, outcome, field, sum(parts), sum(elements) from deleted
    group by 1, 2, 3 having sum(parts) <> 0 or sum(elements) <> 0`.execute(tx.sql)
}

const maxListedBytes = 8 * 1024 * 1024
/** Open and done parts are searched among so many of the newest: no index names them. */
const maxSearched = 20_000

/**
 * Parts with an outcome, or (none named) all without effect, newest first; at most 8 MB, but always
 * one.
 */
export function newestParts(tx: Tx, outcome: string, limit: number): Promise<Part[]> {
  const columns = sql`p.id, p.body_id, p.app_id, p.lane, p.key, p.field, p.outcome, p.reason,
    p.received_at`
  return query(
    tx,
    sql`with found as (${foundBy(outcome, limit)}), newest as (
          select ${columns}, coalesce(p.content, b.raw) as bytes
          from found join webhook_parts p using (id, received_at)
          left join webhook_bodies b
            on p.content is null and b.id = p.body_id and b.received_at = p.received_at
          union all
          select * from (select ${columns}, p.content from webhook_parts_unresolved p
                         where ${unresolvedWith(outcome)} order by id desc limit ${limit}) u
        )
        select id::text, body_id as "bodyId", app_id::text as "appId", coalesce(lane, '') as lane,
          coalesce(key, '') as key, coalesce(field, '') as field,
          coalesce(outcome, 'open') as outcome, coalesce(reason, '') as reason,
          floor(extract(epoch from received_at) * 1000)::float8 as "receivedAtMs",
          coalesce(bytes, '') as content
        from (select *, sum(length(bytes)) over (order by id desc) - length(bytes) as before
              from newest) n
        where before < ${maxListedBytes} or before is null order by n.id desc limit ${limit}`,
  )
}

function foundBy(outcome: string, limit: number): RawBuilder<unknown> {
  if (outcome !== 'open' && outcome !== 'done')
    return sql`select part_id as id, received_at from webhook_part_results
      where ${outcome ? sql`outcome = ${outcome}` : sql`true`} order by part_id desc limit ${limit}`
  const fits = outcome === 'open' ? sql`outcome is null` : sql`outcome = 'done'`
  return sql`select id, received_at
    from (select id, received_at, outcome from webhook_parts
          order by id desc limit ${maxSearched}) p
    where ${fits} order by id desc limit ${limit}`
}

function unresolvedWith(outcome: string): RawBuilder<unknown> {
  if (outcome === 'open') return sql`p.outcome is null`
  return outcome ? sql`p.outcome = ${outcome}` : sql`p.outcome <> 'done'`
}
