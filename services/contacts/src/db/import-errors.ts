import { query, rowset, sql, type Tx } from '@lockstep/database'

/** More refused rows than this are counted but not stored. */
const maxStoredErrors = 10_000

export interface RowError {
  line: number
  reason: string
}

/** Stores refused rows as long as there are fewer than `maxStoredErrors`. */
export async function insertErrors(
  tx: Tx,
  importId: string,
  rejectedBefore: number,
  errors: readonly RowError[],
): Promise<void> {
  const stored = errors.slice(0, Math.max(0, maxStoredErrors - rejectedBefore))
  if (stored.length === 0) return
  await sql`insert into import_errors (import_id, line, account_id, reason)
    select ${importId}, v.line, ${tx.accountId}::uuid, v.reason
    from ${rowset(stored, { line: 'integer', reason: 'text' })} order by line`.execute(tx.sql)
}

/** Refused rows in line order, after a line. */
export function listErrors(
  tx: Tx,
  importId: string,
  afterLine: number,
  limit: number,
): Promise<RowError[]> {
  return query(
    tx,
    sql`select line, reason from import_errors
        where import_id = ${importId} and account_id = ${tx.accountId}::uuid and line > ${afterLine}
        order by line limit ${limit}`,
  )
}
