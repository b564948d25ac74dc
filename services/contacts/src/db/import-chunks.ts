import { query, queryOne, sql, type Tx } from '@lockstep/database'

/** Every piece of a file but the last has this size. */
export const chunkBytes = 256_000

export async function insertChunk(
  tx: Tx,
  importId: string,
  seq: number,
  bytes: Uint8Array,
): Promise<void> {
  await sql`insert into import_chunks (import_id, seq, account_id, bytes)
    values (${importId}, ${seq}, ${tx.accountId}, ${Buffer.from(bytes)})`.execute(tx.sql)
}

/** A piece of a file by its number from 0. */
export async function readChunk(
  tx: Tx,
  importId: string,
  seq: number,
): Promise<Buffer | undefined> {
  const row = await queryOne<{ bytes: Buffer }>(
    tx,
    sql`select bytes from import_chunks
        where import_id = ${importId} and seq = ${seq} and account_id = ${tx.accountId}::uuid`,
  )
  return row?.bytes
}

/** Deletes the file of an import that has ended. */
export async function deleteChunks(tx: Tx, importId: string): Promise<void> {
  await sql`delete from import_chunks
    where import_id = ${importId} and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
}

/** Deletes the file of an upload that has no import. */
export async function discardUpload(tx: Tx, importId: string): Promise<void> {
  await sql`delete from import_chunks
    where import_id = ${importId} and account_id = ${tx.accountId}::uuid
      and not exists (select from imports where id = ${importId})`.execute(tx.sql)
}

/** Uploads of any account whose process died before a time. */
export function abandonedUploads(
  tx: Tx,
  before: Date,
): Promise<{ accountId: string; importId: string }[]> {
  return query(
    tx,
    sql`select account_id as "accountId", import_id as "importId"
        from abandoned_uploads(${before})`,
  )
}
