import { AppError } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'
import { LockMode } from '@mikro-orm/core'
import {
  type App,
  AppSchema,
  type Connection,
  type ConnectionFields,
  ConnectionSchema,
} from './entities.ts'

/** The account's app, locked if it is to be changed; `not_found` also for another account's. */
export async function findApp(tx: Tx, id: string, { lock = false } = {}): Promise<App> {
  const lockMode = lock ? LockMode.PESSIMISTIC_WRITE : LockMode.NONE
  const app = await tx.em.findOne(AppSchema, { id, accountId: tx.accountId! }, { lockMode })
  if (!app) throw new AppError('not_found', `There is no app ${id}`)
  return app
}

/** The account's connection, locked if it is to be changed; `not_found` also for another account's. */
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

/** A page of the account's connections in id order; plain rows, for entities of a page cost more than its query. */
export function listConnections(
  tx: Tx,
  { after, limit }: { after: string; limit: number },
): Promise<ConnectionFields[]> {
  return query(
    tx,
    sql`select id, account_id as "accountId", name, phone_number_id as "phoneNumberId", waba_id as "wabaId", app_id as "appId",
          display_phone_number as "displayPhoneNumber", verified_name as "verifiedName", sealed_token as "sealedToken",
          per_minute as "perMinute", per_second as "perSecond", quality, messaging_limit as "messagingLimit", holds,
          connected_at as "connectedAt", disconnected_at as "disconnectedAt"
        from connections where account_id = ${tx.accountId} ${after ? sql`and id > ${after}` : sql``} order by id limit ${limit}`,
  )
}

/** The account's connection of a number, locked; null when the account never had it. */
export function lockNumber(tx: Tx, phoneNumberId: string): Promise<Connection | null> {
  const where = { accountId: tx.accountId!, phoneNumberId }
  return tx.em.findOne(ConnectionSchema, where, { lockMode: LockMode.PESSIMISTIC_WRITE })
}

/** The account and id of an API key, by its SHA-256. */
export function findKey(
  tx: Tx,
  hash: Buffer,
): Promise<{ accountId: string; keyId: string } | undefined> {
  return queryOne(
    tx,
    sql`select account_id as "accountId", key_id as "keyId" from account_of_key(${hash})`,
  )
}

export interface WebhookAppRow
  extends Pick<
    App,
    | 'id'
    | 'accountId'
    | 'sealedSecret'
    | 'sealedPreviousSecret'
    | 'previousSecretUntil'
    | 'sealedVerifyToken'
  > {
  phoneNumberIds: string[]
  wabaIds: string[]
  formerPhoneNumberIds: string[]
}

/** One app of any tenant, with the numbers and WABAs of the connections that are bound to it now, and the numbers that were. */
export function webhookApp(tx: Tx, id: string): Promise<WebhookAppRow | undefined> {
  return queryOne(
    tx,
    sql`select id, account_id as "accountId", sealed_secret as "sealedSecret", sealed_previous_secret as "sealedPreviousSecret",
               previous_secret_until as "previousSecretUntil", sealed_verify_token as "sealedVerifyToken",
               phone_number_ids as "phoneNumberIds", waba_ids as "wabaIds", former_phone_number_ids as "formerPhoneNumberIds"
        from webhook_app(${id})`,
  )
}

/** The account's connections with these ids, locked in their order. */
export function lockConnections(tx: Tx, ids: string[]): Promise<Connection[]> {
  const where = { accountId: tx.accountId!, id: ids }
  return tx.em.find(ConnectionSchema, where, {
    orderBy: { id: 'asc' },
    lockMode: LockMode.PESSIMISTIC_WRITE,
  })
}

/** The ids at Meta of the apps that connections are bound to, by our own. */
export async function metaAppIds(
  tx: Tx,
  connections: Pick<Connection, 'appId'>[],
): Promise<Map<string, string>> {
  const ids = [...new Set(connections.map(({ appId }) => appId))]
  const apps = await query<{ id: string; metaAppId: string }>(
    tx,
    sql`select id, meta_app_id as "metaAppId" from apps where account_id = ${tx.accountId} and id = any(${ids}::uuid[])`,
  )
  return new Map(apps.map(({ id, metaAppId }) => [id, metaAppId]))
}
