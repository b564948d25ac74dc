import { setImmediate as others } from 'node:timers/promises'
import { AppError, failureOf } from '@lockstep/contracts'
import { sqlState } from '@lockstep/database'
import { counter } from '@lockstep/telemetry'
import { type CsvRow, readCsv, readFrom } from '../csv.ts'
import {
  type Cursor,
  chunkBytes,
  countBatch,
  insertErrors,
  type RowError,
  readChunk,
  writeColumns,
} from '../db/imports.ts'
import { type Column, isHeader, readHeader, reportOf } from '../import-columns.ts'
import { readRow } from '../import-row.ts'
import type { Country } from '../phone.ts'
import { applyContacts, type Numbered } from './apply.ts'
import { begin, end, guarded, type Run } from './run.ts'

const batchRows = 1_000
/** Rows are read and written at one go, so that a batch of wide ones must be smaller. */
const batchBytes = 64_000
/** Rows and bytes that are read before calls of others have their turn: a check must not wait for a batch. */
const turn = { rows: 100, bytes: 16_000 }
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
  startedAt: Date
}

/** Imports rows until the file or the slice ends, from where the last slice stopped. Answers whether rows may be left. */
export async function importSlice(run: Run): Promise<'ended' | 'more'> {
  const begun = await begin(run)
  if (!begun) return 'ended'
  const { found, cursor } = begun
  const rows = cursor
    ? readFrom(cursor, chunks(run, cursor.bytes))
    : readCsv(chunks(run, 0), isHeader)
  const names = cursor?.names ?? (await rows.next()).value?.fields ?? []
  const columns = readHeader(names)
  if (!cursor) await guarded(run, (tx) => writeColumns(tx, run.id, columns.map(reportOf)))
  const country = found.defaultCountry || undefined
  const progress = {
    names,
    columns,
    country,
    rows: found.rows,
    rejected: found.rejected,
    startedAt: found.createdAt,
  }
  let batch: CsvRow[] = []
  let begins = cursor?.bytes ?? 0
  for await (const row of rows) {
    batch.push(row)
    if (batch.length < batchRows && row.next.bytes - begins < batchBytes) continue
    await commitRows(run, progress, batch)
    if (performance.now() > run.sliceEnds) return 'more'
    batch = []
    begins = row.next.bytes
  }
  if (batch.length > 0) await commitRows(run, progress, batch)
  if (progress.rows === 0) throw new AppError('invalid', 'The file has a first line but no rows')
  await end(run, 'done')
  return 'ended'
}

/** The bytes of the file from one of them on. */
async function* chunks({ ctx, accountId, id, signal }: Run, from: number): AsyncGenerator<Buffer> {
  for (let seq = Math.floor(from / chunkBytes), skip = from % chunkBytes; ; seq++, skip = 0) {
    signal.throwIfAborted()
    const bytes = await ctx.db.transaction(accountId, (tx) => readChunk(tx, id, seq))
    if (!bytes) return
    for (let at = skip; at < bytes.length; at += turn.bytes) {
      await others()
      yield bytes.subarray(at, at + turn.bytes)
    }
  }
}

/** Commits rows as one batch. One that is too slow is halved, down to the row to blame, which is refused; what is away is waited for. */
async function commitRows(run: Run, progress: Progress, rows: CsvRow[]): Promise<void> {
  try {
    await commitBatch(run, progress, rows)
  } catch (error) {
    if (!isTooSlow(error)) throw error
    run.ctx.log.warn(
      { importId: run.id, line: rows[0]!.line, rows: rows.length },
      'A batch of an import was too slow',
    )
    const half = Math.ceil(rows.length / 2)
    if (rows.length === 1)
      return commitBatch(
        run,
        progress,
        rows,
        `The row could not be written within ${run.ctx.imports.statementMs / 1000} s`,
      )
    await commitRows(run, progress, rows.slice(0, half))
    await commitRows(run, progress, rows.slice(half))
  }
}

const isTooSlow = (error: unknown): boolean =>
  failureOf(error) === 'timeout' || sqlState(error) === statementTimeout

/** Applies a batch, with its counts, errors and the place of the next, all or nothing; or refuses its rows for a reason. */
async function commitBatch(
  run: Run,
  progress: Progress,
  rows: CsvRow[],
  refusal?: string,
): Promise<void> {
  const contacts: Numbered[] = []
  const unreadable: RowError[] = []
  const stopped: string[] = []
  for (const [at, { line, fields }] of rows.entries()) {
    if (at % turn.rows === turn.rows - 1) await others()
    const read = refusal ? { reason: refusal } : readRow(progress.columns, fields, progress.country)
    if (!read) continue
    if (!('reason' in read)) contacts.push({ ...read, line })
    else {
      unreadable.push({ line, reason: read.reason })
      if (read.stopped) stopped.push(read.stopped)
    }
  }
  const cursor: Cursor = { ...rows.at(-1)!.next, names: progress.names }
  const tally = await guarded(
    run,
    async (tx) => {
      const { refused, ...applied } = await applyContacts(
        tx,
        { importId: run.id, at: progress.startedAt },
        contacts,
        stopped,
      )
      const errors = [...unreadable, ...refused].sort((a, b) => a.line - b.line)
      const counts = { ...applied, rejected: errors.length }
      await insertErrors(tx, run.id, progress.rejected, errors)
      await countBatch(tx, run.id, progress.rows, cursor, counts)
      return counts
    },
    { statementTimeoutMs: run.ctx.imports.statementMs },
  )
  progress.rows += contacts.length + unreadable.length
  progress.rejected += tally.rejected
  for (const [outcome, n] of Object.entries(tally)) importedRows(n, { outcome })
}
