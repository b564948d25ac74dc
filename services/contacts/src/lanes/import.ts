import { AppError, failureOf, laneSettings } from '@lockstep/contracts'
import type { FeedEntry } from '@lockstep/feeds'
import { holdFenced, isInfrastructure, type LaneHandler } from '@lockstep/service'
import type { Context } from '../context.ts'
import { importSlice } from '../imports/import-slice.ts'
import { end, type Run } from '../imports/run.ts'

const queueMs = 2_000

/**
 * Imports the files that an account has queued, one after the other, for a slice; then other accounts have their turn. Whatever is cut
 * off goes on after its last committed batch. While another process imports for this account, the entries wait.
 */
export const importContacts: LaneHandler<Context> = async (ctx, accountId, entries, lease) => {
  const sliceEnds = performance.now() + ctx.imports.sliceMs
  try {
    await using held = await holdFenced(ctx, 'contact_import', accountId)
    const signal = AbortSignal.any([lease.signal, held.signal])
    for (const [at, entry] of entries.entries()) {
      const more = await importEntry(
        { ctx, accountId, id: entry.rowId, held, signal, sliceEnds },
        entry,
      )
      const left = entries.slice(more ? at : at + 1)
      if (left.length > 0 && performance.now() > sliceEnds)
        return left.map(({ id }) => ({ id, laterMs: 0 }))
    }
    return []
  } catch (error) {
    if (lease.signal.aborted || !['busy', 'conflict'].includes(failureOf(error))) throw error
    ctx.log.info({ accountId, reason: (error as Error).message }, 'An import waits')
    return entries.map(({ id }) => ({ id, laterMs: queueMs * ctx.scale }))
  }
}

/** Works on one import; answers whether rows may be left. */
async function importEntry(run: Run, entry: FeedEntry): Promise<boolean> {
  try {
    return (await importSlice(run)) === 'more'
  } catch (error) {
    const unreadable = error instanceof AppError && error.failure === 'invalid'
    const hopeless =
      entry.attempts + 1 >= laneSettings.maxTries &&
      !isInfrastructure(error) &&
      failureOf(error) !== 'conflict'
    if (unreadable) {
      await end(run, 'failed', error.message)
      return false
    }
    if (hopeless)
      await end(
        run,
        'failed',
        'An internal error stopped the import; the service log has the cause',
      )
    throw error
  }
}
