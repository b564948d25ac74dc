import { AppError } from '@lockstep/contracts'
import { queryOne, sql, type Tx } from '@lockstep/database'
import type { ImportColumn } from '@lockstep/rpc/gen/contacts'
import type { CsvPlace } from '../imports/csv-format.ts'
import { type Import, ImportSchema } from './entities.ts'

/** The account's import. Throws `not_found`, also for another account's. */
export async function findImport(tx: Tx, id: string): Promise<Import> {
  const found = await tx.em.findOne(ImportSchema, { id, accountId: tx.accountId! })
  if (!found) throw new AppError('not_found', `There is no import ${id}`)
  return found
}

/** Notes what the columns of a file were taken for. */
export async function writeColumns(
  tx: Tx,
  importId: string,
  columns: readonly ImportColumn[],
): Promise<void> {
  await sql`update imports set columns = ${JSON.stringify(columns)}::jsonb
    where id = ${importId} and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
}

export interface ImportCounts {
  created: number
  updated: number
  duplicates: number
  rejected: number
}

/** How far an import has come. */
export interface ImportCursor extends CsvPlace {
  /** The first line of the file. */
  names: string[]
}

/** Where an import goes on, if it has begun. */
export async function readCursor(tx: Tx, importId: string): Promise<ImportCursor | null> {
  const row = await queryOne<{ cursor: ImportCursor | null }>(
    tx,
    sql`select cursor from imports where id = ${importId} and account_id = ${tx.accountId}::uuid`,
  )
  return row?.cursor ?? null
}

/**
 * Counts a batch after `rowsBefore` rows. Throws `conflict` once another process has counted more.
 */
export async function countBatch(
  tx: Tx,
  importId: string,
  rowsBefore: number,
  cursor: ImportCursor,
  counts: ImportCounts,
): Promise<void> {
  const { created, updated, duplicates, rejected } = counts
  const counted = await queryOne(
    tx,
    sql`update imports set done_bytes = ${cursor.bytes}, cursor = ${JSON.stringify(cursor)}::jsonb,
          rows = rows + ${created + updated + duplicates + rejected},
          created = created + ${created}, updated = updated + ${updated},
          duplicates = duplicates + ${duplicates}, rejected = rejected + ${rejected}
        where id = ${importId} and account_id = ${tx.accountId}::uuid and state = 'running'
          and rows = ${rowsBefore} returning id`,
  )
  if (!counted)
    throw new AppError(
      'conflict',
      `Import ${importId} went on elsewhere; these rows were rolled back`,
    )
}

/** Renews the statistics of tables that grew much, so that plans for small tables don't stay. */
export async function analyzeGrown(tx: Tx): Promise<void> {
  await sql`select analyze_grown()`.execute(tx.sql)
}
