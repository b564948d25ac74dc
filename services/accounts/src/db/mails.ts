import { queryOne, sql, type Tx } from '@lockstep/database'

/** A mail with one link: to an account, or to another password. */
interface MailRow {
  id: string
  invitationId?: string | undefined
  /** SHA-256 of the token of a link to another password. */
  resetHash?: Buffer | undefined
  recipient: string
  sealedToken: Buffer
  createdAt: Date
  /** When the link ends. */
  expiresAt: Date
}

export async function insertMail(tx: Tx, row: MailRow): Promise<void> {
  const { id, invitationId, resetHash, recipient, sealedToken, createdAt, expiresAt } = row
  await sql`insert into mails (id, account_id, invitation_id, reset_hash, recipient, sealed_token, created_at, expires_at)
    values (${id}, ${tx.accountId}, ${invitationId ?? null}, ${resetHash ?? null}, ${recipient}, ${sealedToken}, ${createdAt}, ${expiresAt})`.execute(
    tx.sql,
  )
}

export async function hasMail(tx: Tx, id: string): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`select id from mails where account_id = ${tx.accountId} and id = ${id}`,
  )
  return row !== undefined
}

/** A mail that was neither accepted by the mail server nor given up. */
export interface WaitingMail {
  id: string
  accountName: string
  isInvitation: boolean
  recipient: string
  sealedToken: Buffer
  expiresAt: Date
  /** Of an invitation that was accepted or withdrawn it is not. */
  isOpen: boolean
  attempts: number
}

/** Of a link to another password that was used there is none any more. */
export function waitingMail(tx: Tx, id: string): Promise<WaitingMail | undefined> {
  return queryOne(
    tx,
    sql`select m.id, a.name as "accountName", m.invitation_id is not null as "isInvitation", m.recipient,
          m.sealed_token as "sealedToken", m.expires_at as "expiresAt", m.attempts,
          i.accepted_at is null and i.withdrawn_at is null as "isOpen"
        from mails m join accounts a on a.id = m.account_id left join invitations i on i.id = m.invitation_id
        where m.account_id = ${tx.accountId} and m.id = ${id} and m.sealed_token is not null`,
  )
}

/** The mail server has accepted it. */
export async function markMailed(tx: Tx, id: string, at: Date): Promise<void> {
  await sql`update mails set mailed_at = ${at}, sealed_token = null, error = null, attempts = attempts + 1
    where account_id = ${tx.accountId} and id = ${id} and sealed_token is not null`.execute(tx.sql)
}

export async function markMailFailed(tx: Tx, id: string, error: string): Promise<void> {
  await sql`update mails set error = ${error}, attempts = attempts + 1
    where account_id = ${tx.accountId} and id = ${id} and sealed_token is not null`.execute(tx.sql)
}

/** It is not tried again; what failed last is kept as the reason. */
export async function giveMailUp(tx: Tx, id: string, error: string | null): Promise<void> {
  await sql`update mails set sealed_token = null, error = coalesce(error, ${error})
    where account_id = ${tx.accountId} and id = ${id} and sealed_token is not null`.execute(tx.sql)
}
