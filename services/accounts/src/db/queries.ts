import { AppError } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'
import { LockMode } from '@mikro-orm/core'
import { type App, AppSchema, type Connection, ConnectionSchema } from './entities.ts'

/** The account's app, locked if it is to be changed; `notFound` also for another account's. */
export async function findApp(tx: Tx, id: string, { lock = false } = {}): Promise<App> {
  const lockMode = lock ? LockMode.PESSIMISTIC_WRITE : LockMode.NONE
  const app = await tx.em.findOne(AppSchema, { id, accountId: tx.accountId! }, { lockMode })
  if (!app) throw new AppError('notFound', `There is no app ${id}`)
  return app
}

/** The account's connection; `notFound` also for another account's. */
export async function findConnection(tx: Tx, id: string): Promise<Connection> {
  const connection = await tx.em.findOne(ConnectionSchema, { id, accountId: tx.accountId! })
  if (!connection) throw new AppError('notFound', `There is no connection ${id}`)
  return connection
}

/** The account and id of an API key, by its SHA-256. */
export function findKey(tx: Tx, hash: Buffer): Promise<{ accountId: string; keyId: string } | undefined> {
  return queryOne(tx, sql`select account_id as "accountId", key_id as "keyId" from account_of_key(${hash})`)
}

export type AppSecretsRow = Pick<App, 'id' | 'accountId' | 'sealedSecret' | 'sealedPreviousSecret' | 'sealedVerifyToken'>

/** Every tenant's apps, for the gateway. */
export function allAppSecrets(tx: Tx): Promise<AppSecretsRow[]> {
  return query(
    tx,
    sql`select id, account_id as "accountId", sealed_secret as "sealedSecret",
               sealed_previous_secret as "sealedPreviousSecret", sealed_verify_token as "sealedVerifyToken"
        from all_app_secrets()`,
  )
}

/** Every tenant's connections that a number or WABA belonged to at a moment. */
export async function connectionsAt(tx: Tx, phoneNumberId: string, wabaId: string, at: Date): Promise<Connection[]> {
  const rows = await query<Record<string, unknown>>(tx, sql`select * from connections_at(${phoneNumberId}, ${wabaId}, ${at})`)
  return rows.map((row) => tx.em.map(ConnectionSchema, row))
}

/** The account's connections with these ids, locked in their order. */
export function lockConnections(tx: Tx, ids: string[]): Promise<Connection[]> {
  const where = { accountId: tx.accountId!, id: ids }
  return tx.em.find(ConnectionSchema, where, { orderBy: { id: 'asc' }, lockMode: LockMode.PESSIMISTIC_WRITE })
}
