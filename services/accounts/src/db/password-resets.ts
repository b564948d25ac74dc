import { type Database, queryOne, sql, type Tx } from '@lockstep/database'

export interface PasswordResetRow {
  personId: string
  /** Else it is good for a person of this account alone. */
  forSeveralAccounts: boolean
  createdAt: Date
  expiresAt: Date
}

/** Stores a link of a member by its token's SHA-256. */
export async function insertPasswordReset(
  tx: Tx,
  { personId, forSeveralAccounts, createdAt, expiresAt }: PasswordResetRow,
  hash: Buffer,
): Promise<void> {
  await sql`insert into password_resets (account_id, person_id, hash, for_several_accounts, created_at, expires_at)
    values (${tx.accountId}, ${personId}, ${hash}, ${forSeveralAccounts}, ${createdAt}, ${expiresAt})`.execute(
    tx.sql,
  )
}

/** To whom a link belongs that is not over, by its token's SHA-256. */
export async function personToReset(
  db: Database,
  hash: Buffer,
  at: Date,
): Promise<{ accountId: string; email: string } | undefined> {
  const [row] = await db.statement<{ accountId: string; email: string }>(
    sql`select account_id as "accountId", email from person_to_reset(${hash}, ${at})`,
  )
  return row
}

/** Uses a link up; undefined when it is no good any more. */
export function takePasswordReset(
  tx: Tx,
  hash: Buffer,
  at: Date,
): Promise<{ personId: string; forSeveralAccounts: boolean } | undefined> {
  return queryOne(
    tx,
    sql`delete from password_resets where account_id = ${tx.accountId} and hash = ${hash} and expires_at > ${at}
        returning person_id as "personId", for_several_accounts as "forSeveralAccounts"`,
  )
}

/**
 * Ends all sessions of a person but one, and all links to another password, in every account. Their
 * row is locked: who signs in at this moment has come before, and is ended, or finds it changed.
 */
export async function endSignIns(tx: Tx, personId: string, butSession = ''): Promise<void> {
  await sql`select end_sign_ins(${personId}, ${butSession || null}::uuid)`.execute(tx.sql)
}

/** Takes links away that are over, at most `most`; answers how many. */
export async function forgetResetPage(db: Database, before: Date, most: number): Promise<number> {
  const [row] = await db.statement<{ rows: number }>(
    sql`select forget_password_resets(${before}, ${most}) as rows`,
  )
  return row!.rows
}
