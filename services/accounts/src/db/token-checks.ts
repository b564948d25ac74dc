import { type Database, sql } from '@lockstep/database'

/** A connection whose token Meta is to be asked about. */
export interface TokenCheck {
  id: string
  accountId: string
  appId: string
  metaAppId: string
  sealedToken: Uint8Array
  sealedSecret: Uint8Array
}

/** Takes checks of any account that are due, and makes them due again at `againAt` if they are not done. */
export function takeTokenChecks(
  db: Database,
  { at, againAt, most }: { at: Date; againAt: Date; most: number },
): Promise<TokenCheck[]> {
  return db.statement(
    sql`select id, account_id as "accountId", app_id as "appId", meta_app_id as "metaAppId", sealed_token as "sealedToken",
               sealed_secret as "sealedSecret" from take_token_checks(${at}, ${againAt}, ${most})`,
  )
}

/** Of all connected numbers: which token ends first, and how many Meta takes no longer. */
export async function tokenFigures(
  db: Database,
): Promise<{ soonestEnd: Date | null; invalid: number }> {
  const [row] = await db.statement<{ soonestEnd: Date | null; invalid: number }>(
    sql`select soonest_end as "soonestEnd", invalid from token_figures()`,
  )
  return row!
}
