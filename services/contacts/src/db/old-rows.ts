import { type Database, sql } from '@lockstep/database'

interface Deleted {
  rows: number
  more: boolean
}

/**
 * Deletes a page of refused rows of imports that ended before a time, then the imports themselves.
 */
export async function deleteOldImports(db: Database, before: Date, most: number): Promise<Deleted> {
  const [deleted] = await db.statement<Deleted>(
    sql`select rows, more from forget_imports(${before}, ${most})`,
  )
  return deleted!
}

/** Deletes from a day's next page of consents what the same person said again before a time. */
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
