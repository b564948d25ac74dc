import { AppError, failureOf, laneSettings } from '@lockstep/contracts'
import { fence, isUniqueViolation, type Tx } from '@lockstep/database'
import type { FeedEntry } from '@lockstep/feeds'
import { type FencedLock, holdFenced, isInfrastructure, type LaneHandler } from '@lockstep/service'
import { counter } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import { type CsvRow, readCsv } from '../csv.ts'
import type { Import } from '../db/entities.ts'
import { overfull, writeFacts } from '../db/facts.ts'
import { countBatch, deleteChunks, findImport, insertErrors, type RowError, readChunk, type Tally } from '../db/imports.ts'
import { deriveFlags, recordStatements } from '../db/ledger.ts'
import { identify } from '../db/people.ts'
import { phoneIdentity } from '../identity.ts'
import { type Columns, type ImportedContact, readHeader, readRow } from '../import-row.ts'
import { maxAttributesLength } from '../text.ts'

const batchRows = 1_000
const queueMs = 2_000
const tooMuch = `The contact would carry more than ${maxAttributesLength.toLocaleString('en')} characters of attributes with those it has: leave columns out`
const imports = counter('lockstep_contacts_imports_total', 'Imports that ended, by state')
const importedRows = counter('lockstep_contacts_import_rows_total', 'Rows of imports, by what became of them')

/** An import under way: whose it is, and its right to go on. */
interface Run {
  ctx: Context
  accountId: string
  id: string
  held: FencedLock
  signal: AbortSignal
}

/**
 * Imports the files that an account has queued, one after the other. Whatever is cut off goes on after its last committed batch.
 * While another process imports for this account, the entries wait.
 */
export const importContacts: LaneHandler<Context> = async (ctx, accountId, entries, lease) => {
  try {
    await using held = await holdFenced(ctx, 'contact_import', accountId)
    const signal = AbortSignal.any([lease.signal, held.signal])
    for (const entry of entries) await importEntry({ ctx, accountId, id: entry.rowId, held, signal }, entry)
    return []
  } catch (error) {
    if (lease.signal.aborted || !['busy', 'conflict'].includes(failureOf(error))) throw error
    ctx.log.info({ accountId, reason: (error as Error).message }, 'An import waits')
    return entries.map(({ id }) => ({ id, laterMs: queueMs * ctx.scale }))
  }
}

async function importEntry(run: Run, entry: FeedEntry): Promise<void> {
  try {
    await importFile(run)
  } catch (error) {
    const unreadable = error instanceof AppError && error.failure === 'invalid'
    const hopeless = entry.attempts + 1 >= laneSettings.maxTries && !isInfrastructure(error) && failureOf(error) !== 'conflict'
    if (unreadable) return end(run, 'failed', error.message)
    if (hopeless) await end(run, 'failed', 'An internal error stopped the import; the service log has the cause')
    throw error
  }
}

async function importFile(run: Run): Promise<void> {
  const found = await begin(run)
  if (!found) return
  let { rows: done, rejected } = found
  let columns: Columns | undefined
  let skip = done
  let batch: CsvRow[] = []
  const commit = async (known: Columns) => {
    rejected += await commitBatch(run, { columns: known, rows: batch, from: done, rejected, startedAt: found.createdAt })
    done += batch.length
    batch = []
  }
  for await (const row of readCsv(chunks(run))) {
    if (!columns) columns = readHeader(row.fields)
    else if (skip > 0) skip--
    else if (batch.push(row) >= batchRows) await commit(columns)
  }
  if (columns && batch.length > 0) await commit(columns)
  if (done === 0) throw new AppError('invalid', 'The file has a first line but no rows')
  await end(run, 'done')
}

/** The import, now running; undefined when it has ended already. Throws `busy` while another of the account runs. */
function begin(run: Run): Promise<Import | undefined> {
  return guarded(run, async (tx) => {
    const found = await findImport(tx, run.id)
    if (found.state === 'done' || found.state === 'failed') return undefined
    found.state = 'running'
    await tx.em.flush()
    return found
  }).catch((error) => {
    if (!isUniqueViolation(error)) throw error
    throw new AppError('busy', 'Another import of this account is running', { cause: error })
  })
}

/** Ends the import, in words if it failed, and deletes its file. What was imported stays. */
async function end(run: Run, state: 'done' | 'failed', failure = ''): Promise<void> {
  const ended = await guarded(run, async (tx) => {
    const found = await findImport(tx, run.id)
    Object.assign(found, { state, failure, finishedAt: new Date(run.ctx.now()) })
    if (state === 'done') found.doneBytes = found.totalBytes
    else if (found.rows > 0) found.failure += `. The first ${found.rows} rows were imported`
    await deleteChunks(tx, run.id)
    return found
  })
  const { id, rows, created, updated, duplicates, rejected } = ended
  imports(1, { state })
  run.ctx.log.info({ importId: id, state, rows, created, updated, duplicates, rejected, failure: ended.failure }, 'An import ended')
}

/** A transaction that only the newest holder of the account's import lock can commit. */
function guarded<T>(run: Run, work: (tx: Tx) => Promise<T>): Promise<T> {
  const { ctx, accountId, held, signal } = run
  return ctx.db.transaction(
    accountId,
    async (tx) => {
      await fence(tx, held.fence)
      return work(tx)
    },
    { signal },
  )
}

async function* chunks({ ctx, accountId, id, signal }: Run): AsyncGenerator<Buffer> {
  for (let seq = 0; ; seq++) {
    signal.throwIfAborted()
    const bytes = await ctx.db.transaction(accountId, (tx) => readChunk(tx, id, seq))
    if (!bytes) return
    yield bytes
  }
}

interface Batch {
  columns: Columns
  rows: CsvRow[]
  /** Rows that were imported before these, and those among them that were refused. */
  from: number
  rejected: number
  /** When the file was handed in: the time of the opt-outs in it. */
  startedAt: Date
}

/** Applies a batch, with its counts, errors and progress, all or nothing; answers how many rows it refused. */
async function commitBatch(run: Run, { columns, rows, from, rejected, startedAt }: Batch): Promise<number> {
  const contacts: Numbered[] = []
  const unreadable: RowError[] = []
  for (const { line, fields } of rows) {
    const contact = readRow(columns, fields)
    if ('reason' in contact) unreadable.push({ line, reason: contact.reason })
    else contacts.push({ ...contact, line })
  }
  const tally = await guarded(run, async (tx) => {
    const { refused, ...applied } = await applyContacts(tx, run.id, startedAt, contacts)
    const errors = [...unreadable, ...refused].sort((a, b) => a.line - b.line)
    const counts = { ...applied, rejected: errors.length }
    await insertErrors(tx, run.id, rejected, errors)
    await countBatch(tx, run.id, from, rows.at(-1)!.endByte, counts)
    return counts
  })
  for (const [outcome, n] of Object.entries(tally)) importedRows(n, { outcome })
  return tally.rejected
}

type Numbered = ImportedContact & Pick<RowError, 'line'>
type Applied = Omit<Tally, 'rejected'> & { refused: RowError[] }

/** Creates or completes the contacts of a batch. A contact that was in the file before is completed too, and counts as a duplicate. */
async function applyContacts(tx: Tx, importId: string, at: Date, rows: Numbered[]): Promise<Applied> {
  const found = await identify(
    tx,
    rows.map(({ phone }) => ({ identities: [phoneIdentity(phone)] })),
  )
  const contacts = rows.map((row, i) => ({ ...row, contactId: found.contactIds[i]!, importId }))
  const full = await overfull(tx, contacts)
  const kept = contacts.filter((contact) => !full.has(contact))
  const tally = { created: 0, updated: 0, duplicates: 0 }
  const seen = new Set<string>()
  for (const { contactId: id } of kept) {
    if (seen.has(id) || found.lastImports.get(id) === importId) tally.duplicates++
    else if (found.created.has(id)) tally.created++
    else tally.updated++
    seen.add(id)
  }
  await writeFacts(tx, 'import', kept)
  // A stop counts, whatever else the row asks for.
  const optedOut = contacts.filter((contact) => contact.optedOut).map((contact) => contact.contactId)
  const said = { kind: 'opt_out', via: 'import', evidence: importId, saidAt: at } as const
  await recordStatements(
    tx,
    optedOut.map((contactId) => ({ contactId, ...said })),
  )
  await deriveFlags(tx, [...found.gained, ...optedOut])
  return { ...tally, refused: contacts.filter((contact) => full.has(contact)).map(({ line }) => ({ line, reason: tooMuch })) }
}
