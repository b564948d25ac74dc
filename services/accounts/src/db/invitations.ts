import { AppError } from '@lockstep/contracts'
import { type Database, query, queryOne, sql, type Tx } from '@lockstep/database'
import { type RoleRef, roleColumns, storedRole } from './roles.ts'

export interface InvitationRow extends RoleRef {
  id: string
  /** In lower case; empty where who accepts names one. */
  email: string
  createdAt: Date
  expiresAt: Date
  acceptedAt: Date | null
  withdrawnAt: Date | null
  mailedAt: Date | null
  /** Why it was not mailed so far. */
  mailError: string | null
}

const columns = sql`id, email, ${roleColumns('invitations')}, created_at as "createdAt", expires_at as "expiresAt",
  accepted_at as "acceptedAt", withdrawn_at as "withdrawnAt",
  (select m.mailed_at from mails m where m.invitation_id = invitations.id) as "mailedAt",
  (select m.error from mails m where m.invitation_id = invitations.id) as "mailError"`

export async function insertInvitation(
  tx: Tx,
  row: Pick<InvitationRow, 'id' | 'email' | 'createdAt' | 'expiresAt'> & RoleRef,
  hash: Buffer,
): Promise<InvitationRow> {
  const { id, email, createdAt, expiresAt } = row
  const { named, roleId } = storedRole(row)
  const inserted = await queryOne<InvitationRow>(
    tx,
    sql`insert into invitations (id, account_id, email, role, role_id, hash, created_at, expires_at)
        values (${id}, ${tx.accountId}, ${email}, ${named}, ${roleId}, ${hash}, ${createdAt}, ${expiresAt})
        returning ${columns}`,
  )
  return inserted!
}

/** To which account and e-mail an open invitation belongs, by its token's SHA-256. */
export async function invitedAccount(
  db: Database,
  hash: Buffer,
  at: Date,
): Promise<{ accountId: string; email: string } | undefined> {
  const [row] = await db.statement<{ accountId: string; email: string }>(
    sql`select account_id as "accountId", email from invited_account(${hash}, ${at})`,
  )
  return row
}

/** The newest open invitation of an e-mail to each account, two at most. */
export function openInvitations(
  db: Database,
  email: string,
  at: Date,
): Promise<{ accountId: string; hash: Buffer }[]> {
  return db.statement(
    sql`select account_id as "accountId", hash from open_invitations(${email}, ${at})`,
  )
}

/** Marks an open invitation as accepted; undefined when it is no more open. */
export function acceptInvitation(
  tx: Tx,
  hash: Buffer,
  at: Date,
): Promise<InvitationRow | undefined> {
  return queryOne(
    tx,
    sql`update invitations set accepted_at = ${at}
        where account_id = ${tx.accountId} and hash = ${hash} and accepted_at is null and withdrawn_at is null and expires_at > ${at}
        returning ${columns}`,
  )
}

/** Ends the other open invitations of an e-mail to the account. */
export async function withdrawOthers(tx: Tx, email: string, at: Date): Promise<void> {
  await sql`update invitations set withdrawn_at = ${at}
    where id in (select id from invitations where account_id = ${tx.accountId} and email = ${email}
                   and accepted_at is null and withdrawn_at is null order by id for update)`.execute(
    tx.sql,
  )
}

/** A page of the account's invitations in id order. */
export function invitationsPage(
  tx: Tx,
  { after, limit }: { after: string; limit: number },
): Promise<InvitationRow[]> {
  return query(
    tx,
    sql`select ${columns} from invitations
        where account_id = ${tx.accountId} ${after ? sql`and id > ${after}` : sql``} order by id limit ${limit}`,
  )
}

/** The account's invitation, locked; `not_found` also for another account's. */
export async function lockInvitation(tx: Tx, id: string): Promise<InvitationRow> {
  const row = await queryOne<InvitationRow>(
    tx,
    sql`select ${columns} from invitations where account_id = ${tx.accountId} and id = ${id} for no key update`,
  )
  if (!row) throw new AppError('not_found', `There is no invitation ${id}`)
  return row
}

/** Withdraws an invitation, unless it was before. */
export async function withdrawInvitation(tx: Tx, id: string, at: Date): Promise<InvitationRow> {
  const row = await queryOne<InvitationRow>(
    tx,
    sql`update invitations set withdrawn_at = coalesce(withdrawn_at, ${at}) where id = ${id} returning ${columns}`,
  )
  return row!
}
