import { sql } from '@lockstep/database'

/** Rows as a table `v` with these columns, for one statement about many; a column that a row leaves out is null. */
export function rowset(rows: readonly object[], columns: string) {
  return sql`jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as v(${sql.raw(columns)})`
}
