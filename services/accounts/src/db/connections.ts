import { AppError } from '@lockstep/contracts'
import { query, sql, type Tx } from '@lockstep/database'
import { LockMode } from '@mikro-orm/core'
import { type Connection, type ConnectionFields, ConnectionSchema } from './entities.ts'

/**
 * The account's connection, locked if it is to be changed; `not_found` also for another account's.
 */
export async function findConnection(
  tx: Tx,
  id: string,
  { lock = false } = {},
): Promise<Connection> {
  const lockMode = lock ? LockMode.PESSIMISTIC_WRITE : LockMode.NONE
  const connection = await tx.em.findOne(
    ConnectionSchema,
    { id, accountId: tx.accountId! },
    { lockMode },
  )
  if (!connection) throw new AppError('not_found', `There is no connection ${id}`)
  return connection
}

/**
 * A page of the account's connections in id order; plain rows, for entities of a page cost more
 * than its query.
 */
export function listConnections(
  tx: Tx,
  { after, limit }: { after: string; limit: number },
): Promise<ConnectionFields[]> {
  return query(
    tx,
    sql`select id, account_id as "accountId", name, phone_number_id as "phoneNumberId", waba_id as "wabaId", app_id as "appId",
          display_phone_number as "displayPhoneNumber", verified_name as "verifiedName", sealed_token as "sealedToken",
          token_expires_at as "tokenExpiresAt", data_access_expires_at as "dataAccessExpiresAt", token_scopes as "tokenScopes",
          token_problem as "tokenProblem", token_checked_at as "tokenCheckedAt",
          per_minute as "perMinute", per_second as "perSecond", quality, messaging_limit as "messagingLimit", health_issues as "healthIssues",
          connected_at as "connectedAt", disconnected_at as "disconnectedAt"
        from connections where account_id = ${tx.accountId} ${after ? sql`and id > ${after}` : sql``} order by id limit ${limit}`,
  )
}

/** The account's connection of a number, locked; null when the account never had it. */
export function lockNumber(tx: Tx, phoneNumberId: string): Promise<Connection | null> {
  const where = { accountId: tx.accountId!, phoneNumberId }
  return tx.em.findOne(ConnectionSchema, where, { lockMode: LockMode.PESSIMISTIC_WRITE })
}

/** The account's connections with these ids, locked in their order. */
export function lockConnections(tx: Tx, ids: string[]): Promise<Connection[]> {
  const where = { accountId: tx.accountId!, id: ids }
  return tx.em.find(ConnectionSchema, where, {
    orderBy: { id: 'asc' },
    lockMode: LockMode.PESSIMISTIC_WRITE,
  })
}
