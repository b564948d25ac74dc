import { query, rowset, sql, type Tx } from '@lockstep/database'

/** More refused rows than this are counted but not kept. */
const maxKeptErrors = 10_000

export interface RowError {
  line: number
  reason: string
}

/** Keeps refused rows, as long as fewer than `maxKeptErrors` are kept. */
export async function insertErrors(
  tx: Tx,
  importId: string,
  rejectedBefore: number,
  errors: readonly RowError[],
): Promise<void> {
  const kept = errors.slice(0, Math.max(0, maxKeptErrors - rejectedBefore))
  if (kept.length === 0) return
  await sql`insert into import_errors (import_id, line, account_id, reason)
    select ${importId}, v.line, ${tx.accountId}::uuid, v.reason
    from ${rowset(kept, { line: 'integer', reason: 'text' })} order by line`.execute(tx.sql)
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
