import { failureOf } from '@lockstep/contracts'
import { LockBusy } from '@lockstep/locks'
import { type EntryResult, holdFenced, type LaneHandler } from '@lockstep/service'
import type { Context } from '../context.ts'
import { runSync } from '../syncs/run-sync.ts'

/** Reads the templates of a connection's WABA, as often as syncs of it were queued. */
export const sync: LaneHandler<Context> = async (ctx, connectionId, entries, { signal }) => {
  try {
    await using lock = await holdFenced(ctx, 'template_sync', connectionId, { signal })
    const results: EntryResult[] = []
    for (const { id, rowId: runId, accountId } of entries) {
      const outcome = await runSync(ctx, { runId, accountId, connectionId, lock })
      results.push({ id, ...outcome })
    }
    return results
  } catch (error) {
    // Another holds the lock, or has acquired it since, and is doing this very work.
    if (!(error instanceof LockBusy) && failureOf(error) !== 'conflict') throw error
    return entries.map(({ id }) => ({ id, laterMs: ctx.times.lockBusyRetryMs }))
  }
}
