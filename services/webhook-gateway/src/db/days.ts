import { query, queryOne, sql, type Tx } from '@lockstep/database'

/** Creates the partitions of the days until `ahead` days from now; answers how many days. */
export async function makeDays(tx: Tx, moment: Date, ahead: number): Promise<number> {
  return (await queryOne<{ made: number }>(tx, sql`select make_days(${moment}, ${ahead}) as made`))!
    .made
}

/** Days of bodies before a day, as `YYYY-MM-DD`, the oldest first. */
export async function daysBefore(tx: Tx, day: string): Promise<string[]> {
  return (
    await query<{ day: string }>(tx, sql`select d::text as day from days_before(${day}::date) d`)
  ).map((row) => row.day)
}

/** Indexes what is open or dead of a day that is over. */
export async function closeDay(tx: Tx, day: string): Promise<void> {
  await sql`select close_day(${day}::date)`.execute(tx.sql)
}

/** Moves parts of a day that are open or dead, with their bytes, to where they need no day; answers how many, at most `limit`. */
export async function keepParts(tx: Tx, day: string, limit: number): Promise<number> {
  const first = sql`(${day}::date::timestamp at time zone 'UTC')`
  const ofDay = sql`p.received_at >= ${first} and p.received_at < ${first} + interval '24 hours'`
  const rows = await query(
    tx,
    sql`with found as (
          select p.id, p.received_at, p.lane, p.key, p.outcome from webhook_parts p
          where ${ofDay} and (p.outcome is null or p.outcome = 'dead') order by p.id limit ${limit}
        ), entries as (
          -- A part is only ever changed under its entry's row lock.
          select f.id from found join feed_open f on f.lane = found.lane
            and f.slot = (get_byte(sha256(found.key::bytea), 0) * 256 + get_byte(sha256(found.key::bytea), 1))
            and f.key = found.key and f.row_id = found.id::text
          order by f.lane, f.slot, f.key, f.id for update of f
        ), buried as (
          select f.id from found join feed_dead f on found.outcome = 'dead' and f.lane = found.lane and f.key = found.key and f.row_id = found.id::text
          order by f.id for update of f
        ), gone as (
          delete from webhook_parts p using found where p.id = found.id and p.received_at = found.received_at
            and (p.outcome is null or p.outcome = 'dead') and (select count(*) from entries) + (select count(*) from buried) >= 0
          returning p.*
        ), results as (
          delete from webhook_part_results r using gone g where r.part_id = g.id and r.received_at = g.received_at
        )
        insert into webhook_parts_kept
          (id, body_id, app_id, received_at, lane, key, field, elements, content, outcome, reason, outcome_at, claimed_at)
        select g.id, g.body_id, g.app_id, g.received_at, g.lane, g.key, g.field, g.elements,
               coalesce(g.content, (select b.raw from webhook_bodies b where b.id = g.body_id and b.received_at = g.received_at)),
               g.outcome, g.reason, g.outcome_at, g.claimed_at
        from gone g returning id`,
  )
  return rows.length
}

/** Drops a day; false when something in it waits or is dead. */
export async function dropDay(tx: Tx, day: string): Promise<boolean> {
  return (await queryOne<{ dropped: boolean }>(tx, sql`select drop_day(${day}::date) as dropped`))!
    .dropped
}

/** Kept parts that are neither open nor dead any more are of no use. */
export async function dropKept(tx: Tx): Promise<void> {
  await sql`delete from webhook_parts_kept where outcome is not null and outcome <> 'dead'`.execute(
    tx.sql,
  )
}
