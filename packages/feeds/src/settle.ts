import { hashOfKey, type LaneName, laneSettings } from '@lockstep/contracts'
import { type RawBuilder, rowset, sql, type Tx } from '@lockstep/database'
import { type FeedContent, ownContent, type Settlement } from './entry.ts'

/** Settlements as rows `v`, by which entries are found through their primary key. */
function rowsOf(settlements: readonly Settlement[]): RawBuilder<unknown> {
  const rows = settlements.map((settlement) => ({
    id: settlement.id,
    key_hash: hashOfKey(settlement.key),
    key: settlement.key,
    ms: 'laterMs' in settlement ? settlement.laterMs : null,
    reason: 'failure' in settlement ? settlement.failure : null,
  }))
  return rowset(rows, {
    id: 'bigint',
    key_hash: 'integer',
    key: 'text',
    ms: 'float8',
    reason: 'text',
  })
}

/** An entry `f` that a row `v` of settlements names. */
const named = sql`f.key_hash = v.key_hash and f.key = v.key and f.id = v.id`
const isDue = sql`(f.not_before is null or f.not_before <= now())`

/**
 * Settles taken entries; those that are gone are passed over, and repeating it changes nothing. A
 * failure counts only while the entry is due, so only failures in a row count.
 */
export async function settleFeed(
  tx: Tx,
  lane: LaneName,
  settlements: readonly Settlement[],
  {
    retryMs = laneSettings.retryMs,
    content = ownContent,
  }: { retryMs?: number; content?: FeedContent } = {},
): Promise<void> {
  const done = settlements.filter((v) => 'outcome' in v)
  const open = settlements.filter((v) => !('outcome' in v))
  // Two workers may settle the same entries; in the order of the primary key they wait for each
  // other instead of deadlocking.
  const locked = (some: readonly Settlement[]) => sql`locked as (
    select f.key_hash, f.key, f.id, v.ms, v.reason from ${rowsOf(some)} join feed_open f on f.lane = ${lane} and ${named}
    order by f.key_hash, f.key, f.id for update of f)`
  if (done.length > 0)
    await sql`with ${locked(done)} delete from feed_open f using locked v where f.lane = ${lane} and ${named}`.execute(
      tx.sql,
    )
  if (open.length === 0) return
  await sql`with ${locked(open)}
    update feed_open f set
      attempts = case when v.reason is null then 0 else f.attempts + 1 end,
      not_before = now() + coalesce(v.ms, (f.attempts + 1) * ${retryMs}::float8) * interval '1 millisecond'
    from locked v where f.lane = ${lane} and ${named} and (v.reason is null or ${isDue})`.execute(
    tx.sql,
  )
  const failed = open.filter((v) => 'failure' in v)
  if (failed.length > 0) await bury(tx, lane, failed, content)
}

/** Moves entries that have used up their tries to the dead, with their content. */
async function bury(
  tx: Tx,
  lane: LaneName,
  failed: readonly Settlement[],
  content: FeedContent,
): Promise<void> {
  await sql`with gone as (
      delete from feed_open f using ${rowsOf(failed)}
      where f.lane = ${lane} and ${named} and f.attempts >= ${laneSettings.maxTries} returning f.*, v.reason)
    insert into feed_dead (id, lane, key, kind, account_id, row_id, body, bytes, attempts, app_id, as_of, created_at, reason)
    select f.id, f.lane, f.key, f.kind, f.account_id, f.row_id, coalesce(f.body, c.content), f.bytes, f.attempts,
           coalesce(f.app_id, c.app_id), coalesce(f.as_of, c.as_of), f.created_at, f.reason
    from gone f left join lateral (${content}) c on true`.execute(tx.sql)
}
