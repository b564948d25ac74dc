import { type LaneName, laneSettings } from '@lockstep/contracts'
import { query, sql, type Tx } from '@lockstep/database'
import { type EntryRow, entryColumns, type FeedEntry, toEntry } from './entry.ts'

export interface DeadEntry {
  entry: FeedEntry
  lane: string
  reason: string
}

/** Newest first, at most `limit` and one take's bytes; of every lane when none is named. */
export async function listDead(tx: Tx, lane: string, limit: number): Promise<DeadEntry[]> {
  const rows = await query<EntryRow & { lane: string; reason: string }>(
    tx,
    sql`select ${entryColumns}, f.lane, f.reason
        from (select *, sum(bytes) over (order by id desc) - bytes as before
              from (select * from feed_dead where ${lane ? sql`lane = ${lane}` : sql`true`} order by id desc limit ${limit}) newest) f
        cross join (select null::bytea as content, null::text as app_id, null::timestamptz as as_of) c
        where f.before < ${laneSettings.takeBytes} order by f.id desc`,
  )
  return rows.map(({ lane, reason, ...row }) => ({ entry: toEntry(row), lane, reason }))
}

/** A dead entry as its account may see it. */
export interface OwnDeadEntry {
  id: string
  lane: string
  key: string
  kind: string
  reason: string
  attempts: number
  createdAt: Date
  deadAt: Date
}

interface OwnDeadQuery {
  /** Of every lane when empty. */
  lane: string
  /** The id of the last entry of the page before; empty for the first page. */
  beforeId: string
  limit: number
}

/** A page of an account's entries, newest first. */
export function listOwnDead(
  tx: Tx,
  accountId: string,
  { lane, beforeId, limit }: OwnDeadQuery,
): Promise<OwnDeadEntry[]> {
  return query(
    tx,
    sql`select f.id::text, f.lane, f.key, f.kind, f.reason, f.attempts, f.created_at as "createdAt", f.dead_at as "deadAt"
        from feed_dead f
        where f.account_id = ${accountId} ${lane ? sql`and f.lane = ${lane}` : sql``} ${beforeId ? sql`and f.id < ${beforeId}::bigint` : sql``}
        order by f.id desc limit ${limit}`,
  )
}

/** Entries of an account only, where one is named. */
const ofAccount = (accountId: string | undefined) =>
  accountId === undefined ? sql`true` : sql`account_id = ${accountId}`

/** An entry that is open again. */
export interface ReopenedEntry {
  lane: LaneName
  key: string
  id: string
  rowId: string
}

/** Opens dead entries of a lane again, all when no id is named; answers the keys to wake. */
export function replayDead(
  tx: Tx,
  lane: string,
  ids: string[],
  accountId?: string,
): Promise<ReopenedEntry[]> {
  return query(
    tx,
    sql`with locked as (select id from feed_dead where lane = ${lane} and ${ids.length === 0 ? sql`true` : sql`id = any(${ids}::bigint[])`}
                          and ${ofAccount(accountId)}
                        order by id for update),
             gone as (delete from feed_dead f using locked where f.id = locked.id returning f.*)
        insert into feed_open (lane, key, id, kind, account_id, row_id, body, bytes, app_id, as_of, created_at) overriding system value
        select lane, key, id, kind, account_id, row_id, body, bytes, app_id, as_of, created_at from gone order by id
        returning lane, key, id::text, row_id as "rowId"`,
  )
}

/** A dead entry that was given up. */
export interface DismissedEntry {
  key: string
  id: string
  rowId: string
  createdAt: Date
  reason: string
}

/** Gives dead entries of a lane up for good; answers those that were there. */
export function dismissDead(
  tx: Tx,
  lane: LaneName,
  ids: string[],
  accountId?: string,
): Promise<DismissedEntry[]> {
  return query(
    tx,
    sql`with locked as (select id from feed_dead where lane = ${lane} and id = any(${ids}::bigint[]) and ${ofAccount(accountId)}
                        order by id for update)
        delete from feed_dead f using locked where f.id = locked.id
        returning f.key, f.id::text, f.row_id as "rowId", f.created_at as "createdAt", f.reason`,
  )
}
