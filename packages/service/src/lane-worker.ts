import { AppError, failureOf, failures, type LaneName } from '@lockstep/contracts'
import { type FeedEntry, type FeedVerdict, isDatabaseUnavailable } from '@lockstep/database'
import type { Lease } from '@lockstep/messaging'
import { counter } from '@lockstep/telemetry'
import type { BaseContext } from './context.ts'
import type { FeedSource } from './feed.ts'

/** What became of an entry; entries that a handler does not mention are done (an empty list: all). */
export type EntryVerdict = { id: string } & ({ outcome: string } | { laterMs: number })

/**
 * Works on taken entries of one key as a set, and returns or throws; it never acks, finishes or buries. Its effects are
 * idempotent by rows, for a crash between its commit and the settling means that the entries are taken again.
 */
export type LaneHandler<Context> = (ctx: Context, key: string, entries: FeedEntry[], lease: Lease) => Promise<EntryVerdict[]>

const failedEntries = counter('lockstep_job_failures_total', 'Entries whose handler failed; after three tries an entry is dead')
const heldBack = counter('lockstep_lane_held_back_total', 'Batches put off because something they need is away or busy')

/** Nothing is wrong with the entries: a server or service is away, a lock is busy, or the lease was lost. */
export function isInfrastructure(error: unknown): boolean {
  if (isDatabaseUnavailable(error)) return true
  return failures[failureOf(error)].retry || (error instanceof Error && error.name === 'AbortError')
}

const holdBackMs = 2_000

/** Works on a lane: takes what is due of a key whose bell rang, hands it to the handler as a set, settles it, until nothing is left. */
export function work<Context extends BaseContext>(
  ctx: Context,
  lane: LaneName,
  source: FeedSource,
  handler: LaneHandler<Context>,
  options: { maxActive?: number } = {},
): Promise<AsyncDisposable> {
  const onJob = async (key: string, lease: Lease): Promise<'ack' | { nakMs: number }> => {
    try {
      await drain(ctx, lane, key, source, handler, lease)
      return 'ack'
    } catch (error) {
      if (!isInfrastructure(error)) throw error
      heldBack(1, { lane })
      ctx.log.warn({ lane, key, reason: (error as Error).message }, 'A lane waits for something that is away or busy')
      return { nakMs: holdBackMs * ctx.scale * (0.5 + Math.random()) }
    }
  }
  return ctx.messaging.workLane(lane, onJob, { drainMs: ctx.config.drainMs, ...options })
}

async function drain<Context extends BaseContext>(
  ctx: Context,
  lane: LaneName,
  key: string,
  source: FeedSource,
  handler: LaneHandler<Context>,
  lease: Lease,
): Promise<void> {
  while (!lease.signal.aborted) {
    const { entries, nextDueMs } = await source.take(lane, key)
    if (entries.length === 0) {
      if (nextDueMs !== null) ringLater(ctx, lane, key, nextDueMs)
      return
    }
    const verdicts = await handled(ctx, lane, key, entries, handler, lease)
    await source.settle(lane, key, verdicts)
    const later = verdicts.flatMap((verdict) => ('laterMs' in verdict ? [verdict.laterMs] : []))
    // Work that goes on later gives the lane back, so that other keys and workers have their turn.
    if (later.length === verdicts.length) return ringLater(ctx, lane, key, Math.min(...later))
  }
}

/** The batch at once; if that fails by itself, each entry alone, so that a bad one costs its neighbours nothing. */
async function handled<Context extends BaseContext>(
  ctx: Context,
  lane: LaneName,
  key: string,
  entries: FeedEntry[],
  handler: LaneHandler<Context>,
  lease: Lease,
): Promise<FeedVerdict[]> {
  try {
    const verdicts = new Map((await handler(ctx, key, entries, lease)).map((v) => [v.id, v as FeedVerdict]))
    return entries.map((entry) => verdicts.get(entry.id) ?? { id: entry.id, outcome: 'done' })
  } catch (error) {
    if (isInfrastructure(error)) throw error
    if (entries.length === 1) return [failed(ctx, lane, key, entries[0]!, error)]
  }
  const verdicts: FeedVerdict[] = []
  for (const entry of entries) verdicts.push(...(await handled(ctx, lane, key, [entry], handler, lease)))
  return verdicts
}

function failed(ctx: BaseContext, lane: LaneName, key: string, entry: FeedEntry, error: unknown): FeedVerdict {
  failedEntries(1, { lane })
  ctx.log.error({ err: error, lane, key, entry: entry.id, attempts: entry.attempts + 1 }, 'A feed entry failed')
  const reason = error instanceof AppError || error instanceof Error ? error.message : String(error)
  return { id: entry.id, failure: reason.slice(0, 500) }
}

/** Rings when the next entry falls due; the sweeper would too, only later. */
function ringLater(ctx: BaseContext, lane: LaneName, key: string, ms: number): void {
  if (ms > 60_000) return
  setTimeout(() => ctx.messaging.ring(lane, key), ms + 1).unref()
}
