import { type Database, sql } from '@lockstep/database'

interface Deleted {
  rows: number
  more: boolean
}

/** Takes away a page of refused rows of imports, of any account, that ended before a time, and such imports that have none left. */
export async function deleteOldImports(db: Database, before: Date, most: number): Promise<Deleted> {
  const [deleted] = await db.statement<Deleted>(
    sql`select rows, more from forget_imports(${before}, ${most})`,
  )
  return deleted!
}

/** Looks at the next page of the ledger and takes away what the same person said again before a time; once a day to its end. */
export async function deleteOldConsents(
  db: Database,
  before: Date,
  most: number,
): Promise<Deleted> {
  const [deleted] = await db.statement<Deleted>(
    sql`select rows, more from forget_consents(${before}, ${most})`,
  )
  return deleted!
}
