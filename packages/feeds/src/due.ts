import { hashRangeOf, type LaneName, lanes, partitionOfHash } from '@lockstep/contracts'
import { query, rowset, sql, type Tx } from '@lockstep/database'

/** The most entries that are looked at for partitions whose time has come. */
const maxLater = 2_000

/** Partitions of a lane that have a due entry. */
export async function duePartitions(tx: Tx, lane: LaneName): Promise<number[]> {
  const ranges = Array.from({ length: lanes[lane].partitions }, (_, partition) =>
    hashRangeOf(lane, partition),
  )
  const hashes = await query<{ keyHash: number }>(
    tx,
    sql`select s.first as "keyHash" from ${rowset(ranges, { first: 'integer', last: 'integer' }, { as: 's' })}
        cross join lateral (
          select from feed_open where lane = ${lane} and key_hash >= s.first and key_hash <= s.last and not_before is null limit 1) due
        union
        select key_hash from (select key_hash from feed_open where lane = ${lane} and not_before <= now() order by not_before limit ${maxLater}) l`,
  )
  const partitions = hashes.map(({ keyHash }) => partitionOfHash(lane, keyHash))
  return [...new Set(partitions)].sort((a, b) => a - b)
}

export interface FeedCounts {
  lane: string
  open: number
  dead: number
  oldestSeconds: number
}

/** Past this number an operator needs no exact figure, and a scrape must cost the same. */
const maxCounted = 10_000

/** For metrics: at most 10,000 of each are counted, and the oldest of those. */
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
