import { AppError, type LaneName, laneKeyPattern, laneSettings } from '@lockstep/contracts'
import { type RawBuilder, sql } from 'kysely'
import { query, queryOne, type Tx } from './database.ts'

/** An open piece of work, as its worker sees it. */
export interface FeedEntry {
  id: string
  key: string
  kind: string
  accountId: string
  rowId: string
  body: Buffer
  attempts: number
  /** Of a webhook part: when it was received, or claimed later for a connection that did not exist yet. */
  createdAtMs: number
  appId: string
}

export interface FeedAppend {
  lane: LaneName
  key: string
  kind?: string
  rowId?: string
  /** JSON content for entries that carry it themselves. */
  body?: unknown
}

/** What became of an entry: finished with an outcome (and in words, what of it had no effect), due again later, or failed (a try is counted). */
export type FeedVerdict = { id: string } & ({ outcome: string; note?: string } | { laterMs: number } | { failure: string })

/**
 * Where an entry's content stands when it isn't in `feed_open.body`: a lateral query over `f` that answers at most one row
 * of `content` (bytea), `app_id` (text) and `as_of` (timestamptz, null for the entry's own time). An entry whose content is
 * gone has an empty body: its handler fails it by name, while an entry left out here would be due for ever.
 */
export type FeedContent = RawBuilder<unknown>
const ownContent: FeedContent = sql`select f.body as content, null::text as app_id, null::timestamptz as as_of`

/** Opens work for another worker, in the transaction that makes it true. The caller rings after the commit. */
export async function appendFeed(tx: Tx, entry: FeedAppend): Promise<void> {
  if (!laneKeyPattern.test(entry.key)) throw new AppError('internal', `"${entry.key}" can't be the key of lane ${entry.lane}`)
  const body = entry.body === undefined ? null : Buffer.from(JSON.stringify(entry.body))
  await sql`insert into feed_open (subscriber, key, kind, account_id, row_id, body, bytes)
    values (${entry.lane}, ${entry.key}, ${entry.kind ?? ''}, ${tx.accountId}, ${entry.rowId ?? ''}, ${body}, ${body?.length ?? 0})`.execute(
    tx.sql,
  )
}

/** Due entries of one key in id order, at most `maxEntries` and about `maxBytes`, but always at least one. */
export async function takeFeed(
  tx: Tx,
  lane: string,
  key: string,
  maxEntries: number,
  maxBytes: number,
  content: FeedContent = ownContent,
): Promise<{ entries: FeedEntry[]; nextDueMs: number | null }> {
  const rows = await query<TakenRow>(
    tx,
    sql`select f.id::text, f.key, f.kind, coalesce(f.account_id::text, '') as "accountId", f.row_id as "rowId", c.content as body, f.attempts,
               (extract(epoch from coalesce(c.as_of, f.created_at)) * 1000)::float8 as "createdAtMs", coalesce(c.app_id, '') as "appId"
        from (select *, sum(bytes) over (order by id) - bytes as before
              from (select * from feed_open
                    where subscriber = ${lane} and key = ${key} and dead_reason is null and (not_before is null or not_before <= now())
                    order by id limit ${maxEntries}) due) f
        left join lateral (${content}) c on true
        where f.before < ${maxBytes} order by f.id`,
  )
  if (rows.length > 0) return { entries: rows.map(toEntry), nextDueMs: null }
  const next = await queryOne<{ ms: number | null }>(
    tx,
    sql`select (extract(epoch from min(not_before) - now()) * 1000)::float8 as ms
        from feed_open where subscriber = ${lane} and key = ${key} and dead_reason is null`,
  )
  return { entries: [], nextDueMs: next?.ms == null ? null : Math.max(0, Math.ceil(next.ms)) }
}

type TakenRow = Omit<FeedEntry, 'body'> & { body: Buffer | null }
const toEntry = (row: TakenRow): FeedEntry => ({ ...row, body: row.body ?? Buffer.alloc(0), createdAtMs: Math.floor(row.createdAtMs) })

/**
 * Writes down what became of taken entries; entries that are gone already are passed over. Repeating it changes nothing: a
 * failure counts only while the entry is due, and the first count puts it off by `retryMs` for each try so far. Only failures
 * in a row count: an entry that lives for days and goes on is not killed by its third bad moment.
 */
export async function settleFeed(
  tx: Tx,
  lane: string,
  key: string,
  verdicts: FeedVerdict[],
  retryMs: number = laneSettings.retryMs,
): Promise<void> {
  if (verdicts.length === 0) return
  const done = verdicts.filter((v) => 'outcome' in v).map((v) => v.id)
  const later = verdicts.filter((v) => 'laterMs' in v)
  const failed = verdicts.filter((v) => 'failure' in v)
  const mine = sql`f.subscriber = ${lane} and f.key = ${key}`
  // Two workers may settle the same entries; in one order they wait for each other instead of deadlocking.
  await sql`select from feed_open f where id = any(${verdicts.map((v) => v.id)}::bigint[]) and ${mine} order by id for update`.execute(
    tx.sql,
  )
  if (done.length > 0) await sql`delete from feed_open f where id = any(${done}::bigint[]) and ${mine}`.execute(tx.sql)
  if (later.length > 0)
    await sql`update feed_open f set attempts = 0, not_before = now() + v.ms * interval '1 millisecond'
      from unnest(${later.map((v) => v.id)}::bigint[], ${later.map((v) => v.laterMs)}::float8[]) v(id, ms)
      where f.id = v.id and f.dead_reason is null and ${mine}`.execute(tx.sql)
  if (failed.length > 0)
    await sql`update feed_open f set attempts = f.attempts + 1,
        not_before = now() + (f.attempts + 1) * ${retryMs}::float8 * interval '1 millisecond',
        dead_reason = case when f.attempts + 1 >= ${laneSettings.maxTries} then v.reason end,
        dead_at = case when f.attempts + 1 >= ${laneSettings.maxTries} then now() end
      from unnest(${failed.map((v) => v.id)}::bigint[], ${failed.map((v) => v.failure)}::text[]) v(id, reason)
      where f.id = v.id and f.dead_reason is null and (f.not_before is null or f.not_before <= now()) and ${mine}`.execute(tx.sql)
}

/** A key with due entries. */
export interface DueKey {
  lane: LaneName
  key: string
  /** Id of its oldest due entry: a key whose oldest one stays the same gets nothing done. */
  oldest: string
}

/**
 * Keys with due entries, at most `limit`, by lane and key; the next page is what comes `after` the last one. Skips from key
 * to key in the index, so that it costs what the keys cost, not the entries.
 */
export async function dueKeys(
  tx: Tx,
  limit: number,
  page: { lane?: string; after?: { lane: string; key: string } } = {},
): Promise<DueKey[]> {
  const ofLane = page.lane === undefined ? sql`true` : sql`subscriber = ${page.lane}`
  const next = (lane: unknown, key: unknown) =>
    sql`select subscriber, key from feed_open
        where dead_reason is null and ${ofLane} and (subscriber, key) > (${lane}, ${key}) order by subscriber, key limit 1`
  return query(
    tx,
    sql`with recursive open_keys as (
          (${next(page.after?.lane ?? '', page.after?.key ?? '')})
          union all
          select n.subscriber, n.key from open_keys o cross join lateral (${next(sql`o.subscriber`, sql`o.key`)}) n
        )
        select o.subscriber as lane, o.key, due.id::text as oldest
        from open_keys o cross join lateral (
          select id from feed_open f where f.subscriber = o.subscriber and f.key = o.key and f.dead_reason is null
            and (f.not_before is null or f.not_before <= now()) order by id limit 1) due
        limit ${limit}`,
  )
}

export interface FeedCounts {
  lane: string
  open: number
  dead: number
  oldestSeconds: number
}

/** Open and dead entries by lane, for metrics. */
export async function feedCounts(tx: Tx): Promise<FeedCounts[]> {
  return query(
    tx,
    sql`select subscriber as lane, count(*) filter (where dead_reason is null)::int as open,
               count(dead_reason)::int as dead,
               coalesce(extract(epoch from now() - min(created_at) filter (where dead_reason is null)), 0)::float8 as "oldestSeconds"
        from feed_open group by subscriber`,
  )
}

export interface DeadEntry {
  entry: FeedEntry
  lane: string
  key: string
  reason: string
}

/** Dead entries, newest first, at most `limit` and one take's bytes; of every lane when none is named. */
export async function listDead(tx: Tx, lane: string, limit: number, content: FeedContent = ownContent): Promise<DeadEntry[]> {
  const rows = await query<TakenRow & { lane: string; reason: string }>(
    tx,
    sql`select f.id::text, f.kind, coalesce(f.account_id::text, '') as "accountId", f.row_id as "rowId", c.content as body, f.attempts,
               (extract(epoch from coalesce(c.as_of, f.created_at)) * 1000)::float8 as "createdAtMs", coalesce(c.app_id, '') as "appId",
               f.subscriber as lane, f.key, f.dead_reason as reason
        from (select *, sum(bytes) over (order by id desc) - bytes as before
              from (select * from feed_open
                    where dead_reason is not null and (${lane} = '' or subscriber = ${lane}) order by id desc limit ${limit}) newest) f
        left join lateral (${content}) c on true
        where f.before < ${laneSettings.takeBytes} order by f.id desc`,
  )
  return rows.map(({ lane, reason, ...row }) => ({ entry: toEntry(row), lane, key: row.key, reason }))
}

/** Opens dead entries again with their tries reset, all of the lane when no id is named; answers the keys to ring. */
export async function replayDead(tx: Tx, lane: string, ids: string[]): Promise<{ lane: LaneName; key: string; id: string }[]> {
  return query(
    tx,
    sql`with locked as (select id from feed_open where subscriber = ${lane} and dead_reason is not null
                          and (${ids.length === 0} or id = any(${ids}::bigint[])) order by id for update)
        update feed_open f set dead_reason = null, dead_at = null, attempts = 0, not_before = null
        from locked where f.id = locked.id returning f.subscriber as lane, f.key, f.id::text`,
  )
}
