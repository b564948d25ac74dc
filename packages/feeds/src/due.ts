import { type LaneName, lanes, slotsOf } from '@lockstep/contracts'
import { query, sql, type Tx } from '@lockstep/database'

/** Partitions of a lane that have a due entry. */
export async function duePartitions(tx: Tx, lane: LaneName): Promise<number[]> {
  const ranges = Array.from({ length: lanes[lane].partitions }, (_, partition) => slotsOf(lane, partition))
  const rows = await query<{ partition: number }>(
    tx,
    sql`select (s.n - 1)::int as partition
        from unnest(${ranges.map((r) => r.first)}::int[], ${ranges.map((r) => r.last)}::int[]) with ordinality s(first, last, n)
        cross join lateral (
          select from feed_open where lane = ${lane} and slot >= s.first and slot <= s.last
            and (not_before is null or not_before <= now()) order by slot, key, id limit 1) due`,
  )
  return rows.map((row) => row.partition)
}

export interface FeedCounts {
  lane: string
  open: number
  dead: number
  oldestSeconds: number
}

/** Past this number an operator needs no exact figure, and a scrape must cost the same. */
const maxCounted = 10_000

/** Open and dead entries of lanes, for metrics: at most 10,000 of each are counted, and the oldest of those that were. */
export function feedCounts(tx: Tx, lanes: readonly LaneName[]): Promise<FeedCounts[]> {
  return query(
    tx,
    sql`select l.lane, o.open, d.dead, coalesce(extract(epoch from now() - o.oldest), 0)::float8 as "oldestSeconds"
        from unnest(${lanes}::text[]) l(lane)
        cross join lateral (select count(*)::int as open, min(created_at) as oldest
                            from (select created_at from feed_open f where f.lane = l.lane limit ${maxCounted}) f) o
        cross join lateral (select count(*)::int as dead
                            from (select from feed_dead f where f.lane = l.lane limit ${maxCounted}) f) d`,
  )
}
