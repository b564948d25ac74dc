import { type Database, sql } from '@lockstep/database'

interface Gone {
  rows: number
  more: boolean
}

/** Takes away a page of refused rows of imports, of any account, that ended before a time, and such imports that have none left. */
export async function forgetImportPage(db: Database, before: Date, most: number): Promise<Gone> {
  const [gone] = await db.statement<Gone>(
    sql`select rows, more from forget_imports(${before}, ${most})`,
  )
  return gone!
}

/** Looks at the next page of the ledger and takes away what the same person said again before a time; once a day to its end. */
export async function forgetConsentPage(db: Database, before: Date, most: number): Promise<Gone> {
  const [gone] = await db.statement<Gone>(
    sql`select rows, more from forget_consents(${before}, ${most})`,
  )
  return gone!
}
