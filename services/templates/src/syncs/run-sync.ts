import { failureOf, failures, messageOf, Throttled } from '@lockstep/contracts'
import { isDatabaseUnavailable } from '@lockstep/database'
import type { Context } from '../context.ts'
import { beginRun, endRun } from '../db/sync-runs.ts'
import { type Run, readList } from './read-list.ts'

type RunResult = { outcome: 'done' | 'failed' } | { laterMs: number }

/** A run that was cut off starts over: its rows are written again, nothing is twice. */
export async function runSync(ctx: Context, run: Run): Promise<RunResult> {
  const { runId, accountId, lock } = run
  const begun = await lock.transaction(accountId, (tx) => beginRun(tx, runId))
  if (!begun) return { outcome: 'done' }
  try {
    await readList(ctx, run, begun.wabaId)
    return { outcome: 'done' }
  } catch (error) {
    if (failureOf(error) === 'conflict' || isDatabaseUnavailable(error)) throw error
    lock.signal.throwIfAborted()
    const isOld = ctx.now() - begun.createdAt.getTime() > ctx.times.giveUpMs
    if (isOld || !failures[failureOf(error)].retry) return failRun(ctx, run, error)
    if (failureOf(error) !== 'throttled') throw error
    const askedMs = error instanceof Throttled ? error.retryAfterMs : undefined
    return { laterMs: askedMs ?? ctx.times.throttledRetryMs }
  }
}

/** Ends a run that another try would not help, so that the next one can be queued. */
async function failRun(ctx: Context, run: Run, error: unknown): Promise<RunResult> {
  const { runId, accountId, connectionId, lock } = run
  ctx.log.warn({ err: error, connection: connectionId, run: runId }, 'A template sync failed')
  const failure = messageOf(error)
  await lock.transaction(accountId, (tx) => endRun(tx, runId, { failure }))
  return { outcome: 'failed' }
}
