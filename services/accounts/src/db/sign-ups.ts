import { type Database, query, queryOne, sql, type Tx } from '@lockstep/database'

/** A code of Embedded Signup, and how far it has come. */
export interface SignUpRow {
  id: string
  sealedToken: Uint8Array | null
  connectionId: string | null
}

interface Code {
  appId: string
  codeHash: Buffer
}

const columns = sql`id, sealed_token as "sealedToken", connection_id as "connectionId"`

/** Takes a code for one request until `busyUntil`; undefined while another one works on it. */
export async function takeSignUp(
  tx: Tx,
  { id, appId, codeHash, at, busyUntil }: Code & { id: string; at: Date; busyUntil: Date },
): Promise<SignUpRow | undefined> {
  return queryOne<SignUpRow>(
    tx,
    sql`insert into sign_ups as s (id, account_id, app_id, code_hash, busy_until, created_at)
        values (${id}, ${tx.accountId}, ${appId}, ${codeHash}, ${busyUntil}, ${at})
        on conflict (account_id, app_id, code_hash) do update set busy_until = excluded.busy_until
          where s.busy_until <= ${at} or s.connection_id is not null
        returning ${columns}`,
  )
}

/** Keeps what the code was exchanged for. */
export async function keepToken(tx: Tx, id: string, sealedToken: Buffer): Promise<void> {
  await query(
    tx,
    sql`update sign_ups set sealed_token = ${sealedToken} where account_id = ${tx.accountId} and id = ${id}`,
  )
}

/** The token is the connection's from now on. */
export async function endSignUp(tx: Tx, id: string, connectionId: string): Promise<void> {
  await query(
    tx,
    sql`update sign_ups set sealed_token = null, connection_id = ${connectionId}
        where account_id = ${tx.accountId} and id = ${id}`,
  )
}

/** Another request may go on with it. */
export async function releaseSignUp(tx: Tx, id: string, at: Date): Promise<void> {
  await query(
    tx,
    sql`update sign_ups set busy_until = ${at} where account_id = ${tx.accountId} and id = ${id}`,
  )
}

/** Takes sign-ups of any account away that began before a time, the oldest `most`; answers how many. */
export async function forgetSignUpPage(db: Database, before: Date, most: number): Promise<number> {
  const [row] = await db.statement<{ rows: number }>(
    sql`select forget_sign_ups(${before}, ${most}) as rows`,
  )
  return row!.rows
}
