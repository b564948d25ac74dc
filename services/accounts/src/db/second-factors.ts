import { queryOne, rowset, sql, type Tx } from '@lockstep/database'

export interface SecondFactorRow {
  /** The account that its secret is sealed for. */
  accountId: string
  sealedSecret: Buffer
  /** Null before it was confirmed: then nobody is asked for it. */
  confirmedAt: Date | null
}

/** Stores a secret in place of one that was not confirmed; false when there is one that was. */
export async function insertSecondFactor(
  tx: Tx,
  personId: string,
  sealedSecret: Buffer,
  at: Date,
): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`insert into second_factors as f (id, account_id, sealed_secret, created_at, last_step)
        values (${personId}, ${tx.accountId}, ${sealedSecret}, ${at}, 0)
        on conflict (id) do update set account_id = ${tx.accountId}, sealed_secret = ${sealedSecret}, created_at = ${at}, last_step = 0
        where f.confirmed_at is null
        returning id`,
  )
  return row !== undefined
}

/** A member's, locked: two codes at once are one after the other. */
export function lockSecondFactor(tx: Tx, personId: string): Promise<SecondFactorRow | undefined> {
  return queryOne(
    tx,
    sql`select account_id as "accountId", sealed_secret as "sealedSecret", confirmed_at as "confirmedAt"
        from second_factors where id = ${personId} for update`,
  )
}

/** Uses the code of a step up; false when it, or a later one, was used before. */
export async function useStep(tx: Tx, personId: string, step: number): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`update second_factors set last_step = ${step} where id = ${personId} and last_step < ${step} returning id`,
  )
  return row !== undefined
}

/** Signing in asks for codes from now on, and takes these in their place. */
export async function confirmSecondFactor(
  tx: Tx,
  personId: string,
  hashes: readonly Buffer[],
  at: Date,
): Promise<void> {
  await sql`update second_factors set confirmed_at = ${at} where id = ${personId}`.execute(tx.sql)
  const rows = hashes.map((hash) => ({ hash })).sort((a, b) => a.hash.compare(b.hash))
  await sql`insert into recovery_codes (person_id, hash)
    select ${personId}, v.hash from ${rowset(rows, { hash: 'bytea' })}`.execute(tx.sql)
}

/** Uses a recovery code up; false when there is none such, or it was used before. */
export async function useRecoveryCode(
  tx: Tx,
  personId: string,
  hash: Buffer,
  at: Date,
): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`update recovery_codes set used_at = ${at} where person_id = ${personId} and hash = ${hash} and used_at is null
        returning person_id`,
  )
  return row !== undefined
}

export interface SecondFactorState {
  confirmedAt: Date
  recoveryCodesLeft: number
}

export function secondFactorState(
  tx: Tx,
  personId: string,
): Promise<SecondFactorState | undefined> {
  return queryOne(
    tx,
    sql`select confirmed_at as "confirmedAt",
          (select count(*)::int from recovery_codes c where c.person_id = f.id and c.used_at is null) as "recoveryCodesLeft"
        from second_factors f where f.id = ${personId} and f.confirmed_at is not null`,
  )
}

/** Takes a confirmed one away, with its recovery codes; false when there is none. */
export async function deleteSecondFactor(tx: Tx, personId: string): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`delete from second_factors where id = ${personId} and confirmed_at is not null returning id`,
  )
  return row !== undefined
}
