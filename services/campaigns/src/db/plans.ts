import { query, sql, type Tx } from '@lockstep/database'

/**
 * Lets the statements of this transaction reach rows by the index that is in the order asked for, however small the tables
 * are and whatever a campaign's list has on average: else whole lists are read for a page. (Whole tables never are: the role.)
 */
export async function reachByIndex(tx: Tx): Promise<void> {
  await query(tx, sql`select set_config('enable_bitmapscan', 'off', true)`)
}
