import { query, sql, type Tx } from '@lockstep/database'
import type { Part, PartCount } from '@lockstep/rpc/gen/webhook_gateway'

/** Parts and elements by outcome and field: of the days that are kept, and of older parts that are open or dead. */
export function countsByOutcome(tx: Tx): Promise<PartCount[]> {
  return query(
    tx,
    sql`select outcome, field, sum(parts)::float8 as parts, sum(elements)::float8 as elements
        from (select outcome, field, parts, elements from webhook_part_counts
              union all
              select coalesce(outcome, 'open'), coalesce(field, ''), 1, elements from webhook_parts_kept) c
        group by 1, 2 having sum(parts) <> 0 order by 1, 2`,
  )
}

/** Each statement adds to the counts what it changed; this puts together what has been added. */
export async function foldCounts(tx: Tx): Promise<void> {
  await sql`with gone as (delete from webhook_part_counts returning *)
    insert into webhook_part_counts (day, outcome, field, parts, elements)
    select day, outcome, field, sum(parts), sum(elements) from gone group by 1, 2, 3 having sum(parts) <> 0 or sum(elements) <> 0`.execute(
    tx.sql,
  )
}

const maxListedBytes = 8 * 1024 * 1024
/** Among so many of the newest parts those that are open or done are looked for, which no index names. */
const newestLookedAt = 20_000

/** Parts with an outcome, or (none named) all that ended without effect, newest first; at most 8 MB, but always one. */
export function newestParts(tx: Tx, outcome: string, limit: number): Promise<Part[]> {
  const byPart = outcome === 'open' || outcome === 'done'
  const found = byPart
    ? sql`select id, received_at from (select id, received_at, outcome from webhook_parts order by id desc limit ${newestLookedAt}) p
          where ${outcome === 'open' ? sql`outcome is null` : sql`outcome = 'done'`} order by id desc limit ${limit}`
    : sql`select part_id as id, received_at from webhook_part_results
          where ${outcome ? sql`outcome = ${outcome}` : sql`true`} order by part_id desc limit ${limit}`
  const columns = sql`p.id, p.body_id, p.app_id, p.lane, p.key, p.field, p.outcome, p.reason, p.received_at`
  return query(
    tx,
    sql`with found as (${found}), newest as (
          select ${columns}, coalesce(p.content, b.raw) as bytes
          from found join webhook_parts p using (id, received_at)
          left join webhook_bodies b on p.content is null and b.id = p.body_id and b.received_at = p.received_at
          union all
          select * from (select ${columns}, p.content from webhook_parts_kept p
            where ${outcome === 'open' ? sql`p.outcome is null` : outcome ? sql`p.outcome = ${outcome}` : sql`p.outcome <> 'done'`}
            order by id desc limit ${limit}) kept
        )
        select id::text, body_id as "bodyId", app_id::text as "appId", coalesce(lane, '') as lane, coalesce(key, '') as key, coalesce(field, '') as field,
               coalesce(outcome, 'open') as outcome, coalesce(reason, '') as reason,
               floor(extract(epoch from received_at) * 1000)::float8 as "receivedAtMs", coalesce(bytes, '') as content
        from (select *, sum(length(bytes)) over (order by id desc) - length(bytes) as before from newest) n
        where before < ${maxListedBytes} or before is null order by n.id desc limit ${limit}`,
  )
}
