import { AppError } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'
import type { ImportColumn } from '@lockstep/rpc/gen/contacts'
import type { CsvPlace } from '../csv.ts'
import { type Import, ImportSchema } from './entities.ts'

/** More refused rows than this are counted but not kept. */
const maxKeptErrors = 10_000

/** The account's import; `not_found` also for another account's. */
export async function findImport(tx: Tx, id: string): Promise<Import> {
  const found = await tx.em.findOne(ImportSchema, { id, accountId: tx.accountId! })
  if (!found) throw new AppError('not_found', `There is no import ${id}`)
  return found
}

/** Every piece of a file but the last has this size. */
export const chunkBytes = 256_000

/** Keeps a piece of a file. */
export async function insertChunk(
  tx: Tx,
  importId: string,
  seq: number,
  bytes: Uint8Array,
): Promise<void> {
  await sql`insert into import_chunks (import_id, seq, account_id, bytes)
    values (${importId}, ${seq}, ${tx.accountId}, ${Buffer.from(bytes)})`.execute(tx.sql)
}

/** A piece of a file by its number from 0; undefined past the last. */
export async function readChunk(
  tx: Tx,
  importId: string,
  seq: number,
): Promise<Buffer | undefined> {
  const row = await queryOne<{ bytes: Buffer }>(
    tx,
    sql`select bytes from import_chunks where import_id = ${importId} and seq = ${seq} and account_id = ${tx.accountId}::uuid`,
  )
  return row?.bytes
}

/** Deletes the file of an import that has ended. */
export async function deleteChunks(tx: Tx, importId: string): Promise<void> {
  await sql`delete from import_chunks where import_id = ${importId} and account_id = ${tx.accountId}::uuid`.execute(
    tx.sql,
  )
}

/** Deletes the file of an upload that was given up; one whose import exists stays. */
export async function discardUpload(tx: Tx, importId: string): Promise<void> {
  await sql`delete from import_chunks where import_id = ${importId} and account_id = ${tx.accountId}::uuid
    and not exists (select from imports where id = ${importId})`.execute(tx.sql)
}

/** Uploads of any account that were given up without a word before a time. */
export function abandonedUploads(
  tx: Tx,
  before: Date,
): Promise<{ accountId: string; importId: string }[]> {
  return query(
    tx,
    sql`select account_id as "accountId", import_id as "importId" from abandoned_uploads(${before})`,
  )
}

/** Notes what the columns of a file were taken for. */
export async function writeColumns(
  tx: Tx,
  importId: string,
  columns: ImportColumn[],
): Promise<void> {
  await sql`update imports set columns = ${JSON.stringify(columns)}::jsonb
    where id = ${importId} and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
}

export interface Tally {
  created: number
  updated: number
  duplicates: number
  rejected: number
}

/** How far an import has come. */
export interface Cursor extends CsvPlace {
  /** The first line of the file. */
  names: string[]
}

/** Where an import goes on; null at its beginning. */
export async function readCursor(tx: Tx, importId: string): Promise<Cursor | null> {
  const row = await queryOne<{ cursor: Cursor | null }>(
    tx,
    sql`select cursor from imports where id = ${importId} and account_id = ${tx.accountId}::uuid`,
  )
  return row?.cursor ?? null
}

/**
 * Counts a batch, in the transaction that applies it, and notes where the next begins. `from` is the number of rows that had been
 * imported before: if that is no longer so, another process has imported them, and `conflict` rolls this one back.
 */
export async function countBatch(
  tx: Tx,
  importId: string,
  from: number,
  cursor: Cursor,
  tally: Tally,
): Promise<void> {
  const { created, updated, duplicates, rejected } = tally
  const counted = await queryOne(
    tx,
    sql`update imports set done_bytes = ${cursor.bytes}, cursor = ${JSON.stringify(cursor)}::jsonb,
          rows = rows + ${created + updated + duplicates + rejected}, created = created + ${created},
          updated = updated + ${updated}, duplicates = duplicates + ${duplicates}, rejected = rejected + ${rejected}
        where id = ${importId} and account_id = ${tx.accountId}::uuid and state = 'running' and rows = ${from} returning id`,
  )
  if (!counted)
    throw new AppError(
      'conflict',
      `Import ${importId} went on elsewhere; these rows were rolled back`,
    )
}

/** Renews the statistics of tables that have grown much, so that plans made while they were small don't stay. */
export async function analyzeGrown(tx: Tx): Promise<void> {
  await sql`select analyze_grown()`.execute(tx.sql)
}

export interface RowError {
  line: number
  reason: string
}

/** Keeps refused rows, as long as fewer than `maxKeptErrors` are kept. */
export async function insertErrors(
  tx: Tx,
  importId: string,
  rejectedBefore: number,
  errors: RowError[],
): Promise<void> {
  const kept = errors.slice(0, Math.max(0, maxKeptErrors - rejectedBefore))
  if (kept.length === 0) return
  await sql`insert into import_errors (import_id, line, account_id, reason)
    select ${importId}, line, ${tx.accountId}::uuid, reason
    from unnest(${kept.map((e) => e.line)}::int[], ${kept.map((e) => e.reason)}::text[]) v(line, reason) order by line`.execute(
    tx.sql,
  )
}

/** Refused rows in line order, after a line. */
export function listErrors(
  tx: Tx,
  importId: string,
  afterLine: number,
  limit: number,
): Promise<RowError[]> {
  return query(
    tx,
    sql`select line, reason from import_errors
        where import_id = ${importId} and account_id = ${tx.accountId}::uuid and line > ${afterLine} order by line limit ${limit}`,
  )
}
