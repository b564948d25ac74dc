import { AppError } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'

export interface ApiKeyRow {
  id: string
  name: string
  rights: string[]
  prefix: string
  createdAt: Date
  expiresAt: Date | null
  withdrawnAt: Date | null
  lastUsedAt: Date | null
}

const columns = sql`id, name, rights, prefix, created_at as "createdAt", expires_at as "expiresAt",
  withdrawn_at as "withdrawnAt", last_used_at as "lastUsedAt"`

/** The account, id and rights of an API key that is in use, by its SHA-256; notes its use. */
export function useApiKey(
  tx: Tx,
  hash: Buffer,
  at: Date,
): Promise<{ accountId: string; keyId: string; rights: string[] } | undefined> {
  return queryOne(
    tx,
    sql`select account_id as "accountId", key_id as "keyId", rights from use_api_key(${hash}, ${at})`,
  )
}

export async function insertApiKey(
  tx: Tx,
  row: Pick<ApiKeyRow, 'id' | 'name' | 'rights' | 'prefix' | 'createdAt' | 'expiresAt'>,
  hash: Buffer,
): Promise<ApiKeyRow> {
  const { id, name, rights, prefix, createdAt, expiresAt } = row
  const inserted = await queryOne<ApiKeyRow>(
    tx,
    sql`insert into api_keys (id, account_id, name, hash, prefix, rights, created_at, expires_at)
        values (${id}, ${tx.accountId}, ${name}, ${hash}, ${prefix}, ${rights}, ${createdAt}, ${expiresAt})
        returning ${columns}`,
  )
  return inserted!
}

/** A page of the account's keys in id order. */
export function apiKeysPage(
  tx: Tx,
  { after, limit }: { after: string; limit: number },
): Promise<ApiKeyRow[]> {
  return query(
    tx,
    sql`select ${columns} from api_keys
        where account_id = ${tx.accountId} ${after ? sql`and id > ${after}` : sql``} order by id limit ${limit}`,
  )
}

/** The account's key, locked; `not_found` also for another account's. */
export async function lockApiKey(tx: Tx, id: string): Promise<ApiKeyRow> {
  const row = await queryOne<ApiKeyRow>(
    tx,
    sql`select ${columns} from api_keys where account_id = ${tx.accountId} and id = ${id} for no key update`,
  )
  if (!row) throw new AppError('not_found', `There is no API key ${id}`)
  return row
}

/** Lets a key end at a time, unless it ends before. */
export async function expireApiKey(tx: Tx, id: string, at: Date): Promise<void> {
  await sql`update api_keys set expires_at = least(expires_at, ${at}) where id = ${id}`.execute(
    tx.sql,
  )
}

/** Withdraws a key, unless it was before. */
export async function withdrawApiKey(tx: Tx, id: string, at: Date): Promise<ApiKeyRow> {
  const row = await queryOne<ApiKeyRow>(
    tx,
    sql`update api_keys set withdrawn_at = coalesce(withdrawn_at, ${at}) where id = ${id} returning ${columns}`,
  )
  return row!
}
