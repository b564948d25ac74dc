import { type Database, query, sql, type Tx } from '@lockstep/database'

export interface SealedEndpoint {
  id: string
  accountId: string
  sealedSecret: Buffer
  sealedPrevious: Buffer | null
}

/** The next endpoints of all tenants after one, in id order. */
export function sealedPage(
  db: Database,
  after: string,
  most: number,
): Promise<Pick<SealedEndpoint, 'id' | 'accountId'>[]> {
  return db.statement(
    sql`select id, account_id as "accountId" from sealed_endpoints(${after}, ${most})`,
  )
}

/** Those of the endpoints that hold a secret of another key, locked in their order. */
export function lockSealed(tx: Tx, ids: string[], keyId: number): Promise<SealedEndpoint[]> {
  const key = Buffer.from([keyId])
  return query(
    tx,
    sql`select id, account_id as "accountId", sealed_secret as "sealedSecret",
          sealed_previous as "sealedPrevious"
        from webhook_endpoints
        where id = any(${ids}::uuid[]) and (substring(sealed_secret from 1 for 1) <> ${key}
          or substring(sealed_previous from 1 for 1) <> ${key})
        order by id for no key update`,
  )
}

export async function updateSealed(
  tx: Tx,
  { id, sealedSecret, sealedPrevious }: SealedEndpoint,
): Promise<void> {
  await sql`update webhook_endpoints
    set sealed_secret = ${sealedSecret}, sealed_previous = ${sealedPrevious}
    where id = ${id}`.execute(tx.sql)
}
