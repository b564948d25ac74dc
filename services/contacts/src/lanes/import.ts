import { AppError, failureOf } from '@lockstep/contracts'
import { type FeedEntry, isLastTry } from '@lockstep/feeds'
import { holdFenced, isInfrastructure, type LaneHandler } from '@lockstep/service'
import type { Context } from '../context.ts'
import { endRun, type ImportRun } from '../imports/import-run.ts'
import { importSlice } from '../imports/import-slice.ts'

/** Imports the files that an account has queued, one after the other, until its slice ends. */
export const importContacts: LaneHandler<Context> = async (ctx, accountId, entries, lease) => {
  const sliceEndsAt = performance.now() + ctx.times.importSliceMs
  try {
    const { signal } = lease
    await using lock = await holdFenced(ctx, 'contact_import', accountId, { signal })
    for (const [at, entry] of entries.entries()) {
      const more = await importEntry({ ctx, accountId, id: entry.rowId, lock, sliceEndsAt }, entry)
      const left = entries.slice(more ? at : at + 1)
      if (left.length > 0 && performance.now() > sliceEndsAt)
        return left.map(({ id }) => ({ id, laterMs: 0 }))
    }
    return []
  } catch (error) {
    if (lease.signal.aborted || !['busy', 'conflict'].includes(failureOf(error))) throw error
    ctx.log.info({ accountId, reason: (error as Error).message }, 'An import waits')
    return entries.map(({ id }) => ({ id, laterMs: ctx.times.importRetryMs }))
  }
}

/** Whether rows of this import may be left. */
async function importEntry(run: ImportRun, entry: FeedEntry): Promise<boolean> {
  try {
    return (await importSlice(run)) === 'more'
  } catch (error) {
    if (error instanceof AppError && error.failure === 'invalid') {
      await endRun(run, 'failed', error.message)
      return false
    }
    if (isLastTry(entry) && !isInfrastructure(error) && failureOf(error) !== 'conflict') {
      const failure = 'An internal error stopped the import; the service log has the cause'
      await endRun(run, 'failed', failure)
    }
    throw error
  }
}
