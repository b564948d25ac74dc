import { queryOne, sql, type Tx } from '@lockstep/database'

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
