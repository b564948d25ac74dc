import { queryOne, sql, type Tx } from '@lockstep/database'

/** A request that was sent with an Idempotency-Key. */
export interface KeyRow {
  requestHash: Buffer
  state: 'running' | 'done' | 'unknown'
  /** HTTP status of the stored answer, and its body; both null unless done. */
  status: number | null
  response: Buffer | null
  createdAt: Date
}

/**
 * Notes a key as running; false when it is there already. Waits for another request that is doing
 * the same.
 */
export async function insertKey(
  tx: Tx,
  key: string,
  requestHash: Buffer,
  now: Date,
): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`insert into idempotency_keys (account_id, key, request_hash, created_at) values (${tx.accountId}, ${key}, ${requestHash}, ${now})
        on conflict do nothing returning key`,
  )
  return row !== undefined
}

export function findKey(tx: Tx, key: string): Promise<KeyRow | undefined> {
  return queryOne<KeyRow>(
    tx,
    sql`select request_hash as "requestHash", state, status, response, created_at as "createdAt"
        from idempotency_keys where account_id = ${tx.accountId} and key = ${key}`,
  )
}

export async function keepResponse(
  tx: Tx,
  key: string,
  status: number,
  response: Buffer,
): Promise<void> {
  await sql`update idempotency_keys set state = 'done', status = ${status}, response = ${response}
            where account_id = ${tx.accountId} and key = ${key} and state <> 'done'`.execute(tx.sql)
}

export async function markUnknown(tx: Tx, key: string): Promise<void> {
  await sql`update idempotency_keys set state = 'unknown'
            where account_id = ${tx.accountId} and key = ${key} and state = 'running'`.execute(
    tx.sql,
  )
}

export async function freeKey(tx: Tx, key: string): Promise<void> {
  await sql`delete from idempotency_keys where account_id = ${tx.accountId} and key = ${key} and state = 'running'`.execute(
    tx.sql,
  )
}

/**
 * Drops keys of all tenants that were first sent before a time, at most `most`; answers how many.
 */
export async function dropKeys(tx: Tx, before: Date, most: number): Promise<number> {
  const row = await queryOne<{ dropped: number }>(
    tx,
    sql`select drop_idempotency_keys(${before}, ${most}) as dropped`,
  )
  return row!.dropped
}
