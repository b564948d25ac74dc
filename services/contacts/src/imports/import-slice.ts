import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { AppError, failureOf } from '@lockstep/contracts'
import { sqlState } from '@lockstep/database'
import { counter } from '@lockstep/telemetry'
import { chunkBytes, readChunk } from '../db/import-chunks.ts'
import { insertErrors, type RowError } from '../db/import-errors.ts'
import { countBatch, findImport, type ImportCursor, writeColumns } from '../db/imports.ts'
import { announceImport } from './announce-import.ts'
import { applyRows, type ImportRow } from './apply-rows.ts'
import { type Column, isHeader, readHeader, reportOf } from './columns.ts'
import type { Country } from './country.ts'
import { type CsvRow, readCsv, readFrom } from './csv.ts'
import { endRun, type ImportRun, inRun, startRun } from './import-run.ts'
import { readRow } from './read-row.ts'

const batchRows = 1_000
/** A batch of wide rows must be smaller. */
const batchBytes = 64_000
/**
 * Rows and bytes that are read before other calls have their turn: a check must not wait for a
 * batch.
 */
const yieldAfter = { rows: 100, bytes: 16_000 }
/** How often it is told how far an import is, while it runs. */
const tellEveryMs = 1_000
const statementTimeout = '57014'
const importedRows = counter(
  'lockstep_contacts_import_rows_total',
  'Rows of imports, by what became of them',
)

/** What a slice knows of its import, which goes on with each batch. */
interface Progress {
  names: string[]
  columns: Column[]
  country: Country | undefined
  /** Rows that were imported, and those among them that were refused. */
  rows: number
  rejected: number
  /** When the file was handed in: the time of the opt-outs in it. */
  createdAt: Date
  /** When those who follow the account were last told how far it is. */
  toldAt: number
}

/** Imports rows from where the last slice stopped until the file or this slice ends. */
export async function importSlice(run: ImportRun): Promise<'ended' | 'more'> {
  const started = await startRun(run)
  if (!started) return 'ended'
  const { found, cursor } = started
  const rows = cursor
    ? readFrom(cursor, chunks(run, cursor.bytes))
    : readCsv(chunks(run, 0), isHeader)
  const names = cursor?.names ?? (await rows.next()).value?.fields ?? []
  const columns = readHeader(names)
  if (!cursor) await inRun(run, (tx) => writeColumns(tx, run.id, columns.map(reportOf)))
  const { rows: imported, rejected, createdAt } = found
  const country = found.defaultCountry || undefined
  const toldAt = performance.now()
  const read = { names, columns, country, createdAt, toldAt }
  const progress: Progress = { ...read, rows: imported, rejected }
  let batch: CsvRow[] = []
  let batchStart = cursor?.bytes ?? 0
  for await (const row of rows) {
    batch.push(row)
    if (batch.length < batchRows && row.next.bytes - batchStart < batchBytes) continue
    await commitRows(run, progress, batch)
    if (performance.now() > run.sliceEndsAt) return 'more'
    batch = []
    batchStart = row.next.bytes
  }
  if (batch.length > 0) await commitRows(run, progress, batch)
  if (progress.rows === 0) throw new AppError('invalid', 'The file has a first line but no rows')
  await endRun(run, 'done')
  return 'ended'
}

/** The bytes of the file from one of them on. */
async function* chunks(run: ImportRun, from: number): AsyncGenerator<Buffer> {
  const { ctx, accountId, id, lock } = run
  for (let seq = Math.floor(from / chunkBytes), skip = from % chunkBytes; ; seq++, skip = 0) {
    lock.signal.throwIfAborted()
    const bytes = await ctx.db.transaction(accountId, (tx) => readChunk(tx, id, seq))
    if (!bytes) return
    for (let at = skip; at < bytes.length; at += yieldAfter.bytes) {
      await yieldToOthers()
      yield bytes.subarray(at, at + yieldAfter.bytes)
    }
  }
}

/** Commits rows as one batch, which is halved when too slow, down to a row that is refused. */
async function commitRows(run: ImportRun, progress: Progress, rows: CsvRow[]): Promise<void> {
  const { ctx, id: importId } = run
  try {
    await commitBatch(run, progress, rows)
  } catch (error) {
    if (!isTooSlow(error)) throw error
    const { line } = rows[0]!
    ctx.log.warn({ importId, line, rows: rows.length }, 'A batch of an import was too slow')
    if (rows.length === 1) {
      const seconds = ctx.importStatementMs / 1000
      const reason = `The row could not be written within ${seconds} s`
      return commitBatch(run, progress, rows, reason)
    }
    const half = Math.ceil(rows.length / 2)
    await commitRows(run, progress, rows.slice(0, half))
    await commitRows(run, progress, rows.slice(half))
  }
}

const isTooSlow = (error: unknown): boolean =>
  failureOf(error) === 'timeout' || sqlState(error) === statementTimeout

/** Applies a batch, or refuses its rows, with counts, errors and cursor, all or nothing. */
async function commitBatch(
  run: ImportRun,
  progress: Progress,
  rows: CsvRow[],
  refusal?: string,
): Promise<void> {
  const { contacts, errors, optOutPhones } = await readBatch(progress, rows, refusal)
  const cursor: ImportCursor = { ...rows.at(-1)!.next, names: progress.names }
  const file = { importId: run.id, at: progress.createdAt }
  const isTold = performance.now() - progress.toldAt > tellEveryMs
  const counts = await inRun(
    run,
    async (tx) => {
      const { refused, ...applied } = await applyRows(run.ctx, tx, file, contacts, optOutPhones)
      const all = [...errors, ...refused].sort((a, b) => a.line - b.line)
      const counts = { ...applied, rejected: all.length }
      await insertErrors(tx, run.id, progress.rejected, all)
      await countBatch(tx, run.id, progress.rows, cursor, counts)
      if (isTold) await announceImport(run.ctx, tx, await findImport(tx, run.id))
      return counts
    },
    { statementTimeoutMs: run.ctx.importStatementMs },
  )
  if (isTold) progress.toldAt = performance.now()
  progress.rows += contacts.length + errors.length
  progress.rejected += counts.rejected
  for (const [outcome, n] of Object.entries(counts)) importedRows(n, { outcome })
}

interface ReadRows {
  contacts: ImportRow[]
  errors: RowError[]
  /** Numbers of people whom refused rows opt out. */
  optOutPhones: string[]
}

async function readBatch(
  { columns, country }: Progress,
  rows: CsvRow[],
  refusal: string | undefined,
): Promise<ReadRows> {
  const read: ReadRows = { contacts: [], errors: [], optOutPhones: [] }
  for (const [at, { line, fields }] of rows.entries()) {
    if (at % yieldAfter.rows === yieldAfter.rows - 1) await yieldToOthers()
    const row = refusal ? { reason: refusal } : readRow(columns, fields, country)
    if (!row) continue
    if ('reason' in row) {
      read.errors.push({ line, reason: row.reason })
      if (row.optOutPhone) read.optOutPhones.push(row.optOutPhone)
    } else read.contacts.push({ ...row, line })
  }
  return read
}
