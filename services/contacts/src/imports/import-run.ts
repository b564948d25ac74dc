import { AppError, type ImportState } from '@lockstep/contracts'
import { isUniqueViolation, type TransactionOptions, type Tx } from '@lockstep/database'
import type { FencedLock } from '@lockstep/service'
import { counter } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import type { Import } from '../db/entities.ts'
import { deleteChunks } from '../db/import-chunks.ts'
import { analyzeGrown, findImport, type ImportCursor, readCursor } from '../db/imports.ts'
import { announceImport } from './announce-import.ts'

const imports = counter('lockstep_contacts_imports_total', 'Imports that ended, by state')
/** An import of as many rows may have made tables grow out of their plans. */
const largeRows = 10_000

/** An import under way: whose it is, and its right to go on. */
export interface ImportRun {
  ctx: Context
  accountId: string
  id: string
  /** The account's import lock, whose signal fires with the lease, too. */
  lock: FencedLock
  /** When it gives its place back, by `performance.now()`. */
  sliceEndsAt: number
}

/** A transaction that only the newest holder of the account's import lock can commit. */
export function inRun<T>(
  { lock, accountId }: ImportRun,
  work: (tx: Tx) => Promise<T>,
  options?: Omit<TransactionOptions, 'signal'>,
): Promise<T> {
  return lock.transaction(accountId, work, options)
}

/**
 * Starts or resumes an import that has not ended. Throws `busy` while another of the account runs.
 */
export async function startRun(
  run: ImportRun,
): Promise<{ found: Import; cursor: ImportCursor | null } | undefined> {
  try {
    return await inRun(run, async (tx) => {
      const found = await findImport(tx, run.id)
      if (found.state === 'done' || found.state === 'failed') return undefined
      found.state = 'running'
      await tx.em.flush()
      await announceImport(run.ctx, tx, found)
      return { found, cursor: await readCursor(tx, run.id) }
    })
  } catch (cause) {
    if (!isUniqueViolation(cause)) throw cause
    throw new AppError('busy', 'Another import of this account is running', { cause })
  }
}

/** Ends the import, with the reason if it failed, and deletes its file. What was imported stays. */
export async function endRun(
  run: ImportRun,
  state: Extract<ImportState, 'done' | 'failed'>,
  failure = '',
): Promise<void> {
  const { ctx } = run
  const ended = await inRun(run, async (tx) => {
    const found = await findImport(tx, run.id)
    Object.assign(found, { state, failure, finishedAt: new Date(ctx.now()) })
    if (state === 'done') found.doneBytes = found.totalBytes
    else if (found.rows > 0) found.failure += `. The first ${found.rows} rows were imported`
    await announceImport(ctx, tx, found)
    await deleteChunks(tx, run.id)
    return found
  })
  const { id, rows, created, updated, duplicates, rejected } = ended
  imports(1, { state })
  ctx.log.info(
    { importId: id, state, rows, created, updated, duplicates, rejected, failure: ended.failure },
    'An import ended',
  )
  if (created + updated < largeRows) return
  await ctx.db
    .system(analyzeGrown)
    .catch((err) => ctx.log.warn({ err }, 'Statistics were not renewed; autovacuum will do it'))
}
