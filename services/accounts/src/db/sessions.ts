import { type Database, query, sql, type Tx } from '@lockstep/database'
import type { RoleRef } from './roles.ts'

export interface SessionRow {
  id: string
  createdAt: Date
  lastUsedAt: Date
  endsAt: Date
  address: string
  userAgent: string
}

/** Stores a session of a member by its token's SHA-256. */
export async function insertSession(
  tx: Tx,
  row: SessionRow & { personId: string; hash: Buffer },
): Promise<void> {
  const { id, personId, hash, createdAt, lastUsedAt, endsAt, address, userAgent } = row
  await sql`insert into sessions (id, account_id, person_id, hash, created_at, last_used_at, ends_at, address, user_agent)
    values (${id}, ${tx.accountId}, ${personId}, ${hash}, ${createdAt}, ${lastUsedAt}, ${endsAt}, ${address}, ${userAgent})`.execute(
    tx.sql,
  )
}

/** Ends all but the newest of a person's sessions in the account. */
export async function keepNewestSessions(tx: Tx, personId: string, most: number): Promise<void> {
  await sql`delete from sessions where id in (
      select id from sessions where account_id = ${tx.accountId} and person_id = ${personId}
      order by id desc offset ${most})`.execute(tx.sql)
}

/** A person's sessions in the account that are not over, newest first. */
export function sessionsOf(
  tx: Tx,
  personId: string,
  { at, unusedSince }: { at: Date; unusedSince: Date },
): Promise<SessionRow[]> {
  return query(
    tx,
    sql`select id, created_at as "createdAt", last_used_at as "lastUsedAt", ends_at as "endsAt", address, user_agent as "userAgent"
        from sessions where account_id = ${tx.accountId} and person_id = ${personId} and ends_at > ${at} and last_used_at > ${unusedSince}
        order by id desc`,
  )
}

/** Ends a person's sessions in the account, or one of them; answers how many. */
export async function endSessions(tx: Tx, personId: string, id = ''): Promise<number> {
  const rows = await query(
    tx,
    sql`delete from sessions where account_id = ${tx.accountId} and person_id = ${personId} ${id ? sql`and id = ${id}` : sql``}
        returning id`,
  )
  return rows.length
}

export interface UsedSession extends RoleRef {
  accountId: string
  sessionId: string
  personId: string
}

/** Whose session it is by its token's SHA-256, if it is not over; notes its use to the minute. */
export async function useSession(
  db: Database,
  hash: Buffer,
  { at, unusedSince }: { at: Date; unusedSince: Date },
): Promise<UsedSession | undefined> {
  const [row] = await db.statement<UsedSession>(
    sql`select account_id as "accountId", session_id as "sessionId", person_id as "personId", role, own_rights as "ownRights"
        from use_session(${hash}, ${at}, ${unusedSince})`,
  )
  return row
}

/** Ends a session by its token's SHA-256, whoever's it is. */
export async function endSessionByHash(db: Database, hash: Buffer): Promise<void> {
  await db.statement(sql`select end_session(${hash})`)
}

/** Takes at most `most` sessions away that are over, of any account; answers how many. */
export async function forgetSessionPage(
  db: Database,
  { at, unusedSince }: { at: Date; unusedSince: Date },
  most: number,
): Promise<number> {
  const [row] = await db.statement<{ rows: number }>(
    sql`select forget_sessions(${at}, ${unusedSince}, ${most}) as rows`,
  )
  return row!.rows
}
