import {
  AppError,
  hashRangeOf,
  type LaneName,
  laneKeyPattern,
  laneSettings,
} from '@lockstep/contracts'
import { query, queryOne, type RawBuilder, rowset, sql, type Tx } from '@lockstep/database'
import {
  type EntryRow,
  entryColumns,
  type FeedAppend,
  type FeedContent,
  type FeedEntry,
  ownContent,
  toEntry,
} from './entry.ts'

/** Opens work in the transaction that makes it true; the caller wakes after the commit. */
export async function appendFeed(tx: Tx, ...entries: FeedAppend[]): Promise<void> {
  if (entries.length === 0) return
  for (const { lane, key } of entries)
    if (!laneKeyPattern.test(key))
      throw new AppError('internal', `"${key}" can't be the key of lane ${lane}`)
  const rows = entries.map(
    ({ lane, key, kind = '', accountId = tx.accountId, rowId = '', body }) => ({
      ...{ lane, key, kind, accountId, rowId },
      body: body === undefined ? null : Buffer.from(JSON.stringify(body)),
    }),
  )
  const columns = {
    lane: 'text',
    key: 'text',
    kind: 'text',
    rowId: 'text',
    accountId: 'uuid',
    body: 'bytea',
  } as const
  await sql`insert into feed_open (lane, key, kind, account_id, row_id, body, bytes)
    select v.lane, v.key, v.kind, v.account_id, v.row_id, v.body, coalesce(length(v.body), 0)
    from ${rowset(rows, columns, { ordinal: 'place' })}
    order by v.place`.execute(tx.sql)
}

/** What a worker asks for. */
export interface TakeOptions {
  lane: LaneName
  partitions: readonly number[]
  /** Keys that are being worked on or delayed. */
  exceptKeys?: readonly string[]
  /** Accounts that have all the places that they may have. */
  exceptAccounts?: readonly string[]
  /** At most so many entries, so many bytes (but always one entry), and entries of so many keys. */
  maxEntries?: number
  maxBytes?: number
  maxKeys?: number
}

export interface TakeResult {
  /** Of each key in id order. */
  entries: FeedEntry[]
  /** A bound was reached: more may be due. */
  more: boolean
  /** Nothing was due: ms until something will be, null when nothing waits. */
  nextDueMs: number | null
}

/** Ranges of hashes as rows `s`, from a random hash on, so that no key is always the last. */
function spansOf(lane: LaneName, partitions: readonly number[]): RawBuilder<unknown> {
  const spans: { first: number; last: number }[] = []
  for (const partition of partitions) {
    const { first, last } = hashRangeOf(lane, partition)
    const middle = first + Math.floor(Math.random() * (last - first + 1))
    spans.push({ first: middle, last })
    if (middle > first) spans.push({ first, last: middle - 1 })
  }
  return rowset(spans, { first: 'integer', last: 'integer' }, { as: 's' })
}

/**
 * Due entries, shared out by account and then by key: each key's first entry, then each one's
 * second, and so on. Walks the index from key to key.
 */
export async function takeFeed(
  tx: Tx,
  options: TakeOptions,
  content: FeedContent = ownContent,
): Promise<TakeResult> {
  const { lane, exceptKeys = [], exceptAccounts = [] } = options
  const {
    maxEntries = laneSettings.takeEntries,
    maxBytes = laneSettings.takeBytes,
    maxKeys = laneSettings.takeKeys,
  } = options
  const spans = spansOf(lane, options.partitions)
  const rows = await query<EntryRow & { cut: boolean }>(
    tx,
    sql`with recursive keys as (
          select s.last, k.key_hash, k.key from ${spans} cross join lateral (
            select key_hash, key from feed_open where lane = ${lane} and key_hash >= s.first and key_hash <= s.last order by key_hash, key limit 1) k
          union all
          select p.last, k.key_hash, k.key from keys p cross join lateral (
            select key_hash, key from feed_open where lane = ${lane} and (key_hash, key) > (p.key_hash, p.key) and key_hash <= p.last
            order by key_hash, key limit 1) k
        ), seen as materialized (select key_hash, key from keys limit ${laneSettings.takeKeys}
        ), bound as (select greatest(8, 4 * ${maxEntries}::int / greatest(count(*), 1))::int as per_key from seen
        ), due as (
          select d.*, row_number() over (partition by d.key order by d.id) as nth, min(d.id) over (partition by d.key) as oldest
          from seen cross join lateral (
            select key_hash, key, id, account_id, bytes from feed_open f
            where f.lane = ${lane} and f.key_hash = seen.key_hash and f.key = seen.key and (f.not_before is null or f.not_before <= now())
            order by f.id limit (select per_key from bound)) d
          where seen.key <> all(${exceptKeys}::text[]) and (d.account_id is null or d.account_id <> all(${exceptAccounts}::uuid[]))
        ), shared as (
          select *, row_number() over (partition by account_id order by nth, id) as nth_of_account,
                 dense_rank() over (partition by account_id order by oldest, key) as key_of_account
          from due
        ), ranked as (select *, dense_rank() over (order by key_of_account, oldest, key) as key_place from shared
        ), chosen as (
          select *, sum(bytes) over (order by nth_of_account, id) - bytes as before, row_number() over (order by nth_of_account, id) as place
          from ranked where key_place <= ${maxKeys}
        ), given as (select * from chosen where place <= ${maxEntries} and before < ${maxBytes})
        select ${entryColumns}, (select count(*) from seen) >= ${laneSettings.takeKeys}
          or (select count(*) from due) > (select count(*) from given)
          or (select max(nth) from due) >= (select per_key from bound) as cut
        from given g join feed_open f on f.lane = ${lane} and f.key_hash = g.key_hash and f.key = g.key and f.id = g.id
        left join lateral (${content}) c on true
        order by f.key, f.id`,
  )
  if (rows.length > 0)
    return {
      entries: rows.map(({ cut: _, ...row }) => toEntry(row)),
      more: rows[0]!.cut,
      nextDueMs: null,
    }
  return { entries: [], more: false, nextDueMs: await nextDue(tx, lane, spans) }
}

async function nextDue(tx: Tx, lane: LaneName, spans: RawBuilder<unknown>): Promise<number | null> {
  const row = await queryOne<{ ms: number | null }>(
    tx,
    sql`select (extract(epoch from min(f.not_before) - now()) * 1000)::float8 as ms
        from ${spans}
        join feed_open f on f.lane = ${lane} and f.key_hash >= s.first and f.key_hash <= s.last and f.not_before > now()`,
  )
  return row?.ms == null ? null : Math.max(0, Math.ceil(row.ms))
}
