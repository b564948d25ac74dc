import { query, queryOne, sql, type Tx } from '@lockstep/database'

/** Creates the tables of the days from one to another; answers how many were new. */
export async function createDayTables(tx: Tx, first: Date, last: Date): Promise<number> {
  const row = await queryOne<{ created: number }>(
    tx,
    sql`select create_day_tables(${first}, ${last}) as created`,
  )
  return row!.created
}

/** Drops the tables of days before a moment; answers those days, as `YYYYMMDD`. */
export async function dropDaysBefore(tx: Tx, moment: Date): Promise<string[]> {
  const rows = await query<{ day: string }>(
    tx,
    sql`select day from drop_days_before(${moment}) day`,
  )
  return rows.map(({ day }) => day)
}
