import { query, queryOne, sql, type Tx } from '@lockstep/database'
import { keyHashOf } from '@lockstep/feeds'

/** Creates the day tables until `daysAhead` days from now; answers how many days were new. */
export async function createDayTables(tx: Tx, now: Date, daysAhead: number): Promise<number> {
  const row = await queryOne<{ created: number }>(
    tx,
    sql`select create_day_tables(${now}, ${daysAhead}) as created`,
  )
  return row!.created
}

/** Days with tables before a day, as `YYYY-MM-DD`, the oldest first. */
export async function daysBefore(tx: Tx, day: string): Promise<string[]> {
  const rows = await query<{ day: string }>(
    tx,
    sql`select d::text as day from days_before(${day}::date) d`,
  )
  return rows.map((row) => row.day)
}

/** Indexes what is open or dead of a day that is over. */
export async function indexUnresolved(tx: Tx, day: string): Promise<void> {
  await sql`select index_unresolved(${day}::date)`.execute(tx.sql)
}

/**
 * Moves open or dead parts of a day, with their bytes, to webhook_parts_unresolved; answers how
 * many, at most `limit`.
 */
export async function moveUnresolved(tx: Tx, day: string, limit: number): Promise<number> {
  const first = sql`(${day}::date::timestamp at time zone 'UTC')`
  const ofDay = sql`p.received_at >= ${first} and p.received_at < ${first} + interval '24 hours'`
  const rows = await query(
    tx,
    sql`with found as (
          select p.id, p.received_at, p.lane, p.key, p.outcome from webhook_parts p
          where ${ofDay} and (p.outcome is null or p.outcome = 'dead') order by p.id limit ${limit}
        ), open_entries as (
          -- A part is only ever changed under its entry's row lock.
          select f.id from found
          join feed_open f on f.lane = found.lane and f.key_hash = ${keyHashOf('found.key')} and f.key = found.key
            and f.row_id = found.id::text
          order by f.lane, f.key_hash, f.key, f.id for update of f
        ), dead_entries as (
          select f.id from found
          join feed_dead f on found.outcome = 'dead' and f.lane = found.lane and f.key = found.key
            and f.row_id = found.id::text
          order by f.id for update of f
        ), deleted as (
          delete from webhook_parts p using found
          where p.id = found.id and p.received_at = found.received_at
            and (p.outcome is null or p.outcome = 'dead')
            and (select count(*) from open_entries) + (select count(*) from dead_entries) >= 0
          returning p.*
        ), results as (
          delete from webhook_part_results r using deleted d
          where r.part_id = d.id and r.received_at = d.received_at
        )
        insert into webhook_parts_unresolved (id, body_id, app_id, received_at, lane, key, field,
          elements, content, outcome, reason, outcome_at, adopted_at)
        select d.id, d.body_id, d.app_id, d.received_at, d.lane, d.key, d.field, d.elements,
          coalesce(d.content, (select b.raw from webhook_bodies b
                               where b.id = d.body_id and b.received_at = d.received_at)),
          d.outcome, d.reason, d.outcome_at, d.adopted_at
        from deleted d returning id`,
  )
  return rows.length
}

/** Drops the tables of a day; false when something in it is open or dead. */
export async function dropDayTables(tx: Tx, day: string): Promise<boolean> {
  const row = await queryOne<{ dropped: boolean }>(
    tx,
    sql`select drop_day_tables(${day}::date) as dropped`,
  )
  return row!.dropped
}

/** Deletes parts that were moved out of their day and are neither open nor dead any more. */
export async function deleteResolved(tx: Tx): Promise<void> {
  await sql`delete from webhook_parts_unresolved
    where outcome is not null and outcome <> 'dead'`.execute(tx.sql)
}
