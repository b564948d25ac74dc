import { type Database, query, queryOne, sql, type Tx } from '@lockstep/database'

export interface PersonRow {
  id: string
  /** In lower case. */
  email: string
  name: string
}

/** Who signs in with a name, whatever account they belong to. */
export interface KnownPerson extends PersonRow {
  passwordHash: string
  /** Of each account that they belong to, the one they have been in longest first. */
  accountIds: string[]
}

export async function personToSignIn(
  db: Database,
  email: string,
): Promise<KnownPerson | undefined> {
  const [row] = await db.statement<KnownPerson>(
    sql`select id, email, name, password_hash as "passwordHash", account_ids as "accountIds" from person_to_sign_in(${email})`,
  )
  return row
}

/** Adds a person; false when there is one with this e-mail by now. */
export async function insertPerson(
  tx: Tx,
  { id, email, name, passwordHash }: PersonRow & { passwordHash: string },
  at: Date,
): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`select id from add_person(${id}, ${email}, ${name}, ${passwordHash}, ${at})`,
  )
  return row !== undefined
}

/**
 * Whether a member's password is still the one that was checked; it stays so until the transaction
 * ends.
 */
export async function keepsPassword(tx: Tx, id: string, passwordHash: string): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`select id from people where id = ${id} and password_hash = ${passwordHash} for share`,
  )
  return row !== undefined
}

/** Who signs in as a member at this moment has come before, or waits. */
export async function lockPerson(tx: Tx, id: string): Promise<void> {
  await sql`select id from people where id = ${id} for update`.execute(tx.sql)
}

/** Whether somebody is a member; their row stays as it is until the transaction ends. */
export async function holdPerson(tx: Tx, id: string): Promise<boolean> {
  return (await queryOne(tx, sql`select id from people where id = ${id} for share`)) !== undefined
}

/** Gives a member another password; their row stays locked until the transaction ends. */
export async function updatePassword(tx: Tx, id: string, passwordHash: string): Promise<void> {
  await sql`update people set password_hash = ${passwordHash} where id = ${id}`.execute(tx.sql)
}

/** The person, if they belong to the transaction's account. */
export function findPerson(tx: Tx, id: string): Promise<PersonRow | undefined> {
  return queryOne(tx, sql`select id, email, name from people where id = ${id}`)
}

export interface MembershipRow {
  accountId: string
  name: string
  role: string
}

/** All accounts of a person, the one they have been in longest first. */
export function accountsOf(tx: Tx, personId: string): Promise<MembershipRow[]> {
  return query(
    tx,
    sql`select account_id as "accountId", name, role from accounts_of_person(${personId})`,
  )
}
