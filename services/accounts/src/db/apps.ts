import { AppError } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'
import { LockMode } from '@mikro-orm/core'
import { type App, type AppFields, AppSchema, type Connection } from './entities.ts'

/** The account's app, locked if it is to be changed; `not_found` also for another account's. */
export async function findApp(tx: Tx, id: string, { lock = false } = {}): Promise<App> {
  const lockMode = lock ? LockMode.PESSIMISTIC_WRITE : LockMode.NONE
  const app = await tx.em.findOne(AppSchema, { id, accountId: tx.accountId! }, { lockMode })
  if (!app) throw new AppError('not_found', `There is no app ${id}`)
  return app
}

/** The secret of an app of the account's. */
export async function sealedSecretOf(tx: Tx, id: string): Promise<Uint8Array> {
  const row = await queryOne<Pick<App, 'sealedSecret'>>(
    tx,
    sql`select sealed_secret as "sealedSecret" from apps where account_id = ${tx.accountId} and id = ${id}`,
  )
  return row!.sealedSecret
}

/** A page of the account's apps in id order. */
export function appsPage(
  tx: Tx,
  { after, limit }: { after: string; limit: number },
): Promise<AppFields[]> {
  return query(
    tx,
    sql`select id, account_id as "accountId", name, meta_app_id as "metaAppId", created_at as "createdAt",
          previous_secret_until as "previousSecretUntil", webhook_verified_at as "webhookVerifiedAt"
        from apps where account_id = ${tx.accountId} ${after ? sql`and id > ${after}` : sql``} order by id limit ${limit}`,
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

/**
 * One app of any tenant, with the numbers and WABAs of the connections that are bound to it now,
 * and the numbers that were.
 */
export function webhookApp(tx: Tx, id: string): Promise<WebhookAppRow | undefined> {
  return queryOne(
    tx,
    sql`select id, account_id as "accountId", sealed_secret as "sealedSecret", sealed_previous_secret as "sealedPreviousSecret",
               previous_secret_until as "previousSecretUntil", sealed_verify_token as "sealedVerifyToken",
               phone_number_ids as "phoneNumberIds", waba_ids as "wabaIds", former_phone_number_ids as "formerPhoneNumberIds"
        from webhook_app(${id})`,
  )
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

/** The account whose app it is, for events that name no WABA. */
export async function accountOfApp(tx: Tx, appId: string): Promise<string | undefined> {
  const [row] = await query<{ accountId: string }>(
    tx,
    sql`select account_id as "accountId" from account_of_app(${appId})`,
  )
  return row?.accountId
}
