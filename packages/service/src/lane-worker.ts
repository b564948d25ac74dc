import { AppError, failureOf, failures, type LaneName, laneSettings } from '@lockstep/contracts'
import { type FeedEntry, type FeedVerdict, isDatabaseUnavailable } from '@lockstep/database'
import type { Lease } from '@lockstep/messaging'
import { counter } from '@lockstep/telemetry'
import type { BaseContext } from './context.ts'
import type { FeedSource } from './feed.ts'
import { isLockGone } from './hold.ts'
import { catchUp, type LaterBells, openLaterBells } from './lane-bells.ts'

/** What became of an entry; entries that a handler does not mention are done (an empty list: all). A note says what of an entry had no effect. */
export type EntryVerdict = { id: string } & ({ outcome: string; note?: string } | { laterMs: number })

/**
 * Works on taken entries of one key as a set, and returns or throws; it never acks, finishes or buries. Its effects are
 * idempotent by rows, for a crash between its commit and the settling means that the entries are taken again.
 */
export type LaneHandler<Context> = (ctx: Context, key: string, entries: FeedEntry[], lease: Lease) => Promise<EntryVerdict[]>

/** Works on taken entries of many keys as one set; of each key they are in order. Otherwise like a lane's handler of one key. */
export type SetHandler<Context> = (ctx: Context, entries: FeedEntry[], lease: Lease) => Promise<EntryVerdict[]>

const failedEntries = counter('lockstep_job_failures_total', 'Entries whose handler failed; after three tries an entry is dead')
const heldBack = counter('lockstep_lane_held_back_total', 'Batches put off because something they need is away or busy')

/** Nothing is wrong with the entries: a server or service is away, a lock is busy, or the lock or lease was lost. */
export function isInfrastructure(error: unknown): boolean {
  if (isDatabaseUnavailable(error) || isLockGone(error)) return true
  if (error instanceof AppError) return failures[failureOf(error)].retry
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')
}

const holdBackMs = 2_000

interface Worker<Context> {
  ctx: Context
  lane: LaneName
  source: FeedSource
  handler: LaneHandler<Context>
  bells: LaterBells
  stopping: AbortSignal
}

/**
 * Works on a lane: takes what is due of a key whose bell rang, hands it to the handler as a set, settles it, until nothing is
 * left. Disposing waits for the batches under way.
 */
export async function work<Context extends BaseContext>(
  ctx: Context,
  lane: LaneName,
  source: FeedSource,
  handler: LaneHandler<Context>,
  options: { maxActive?: number } = {},
): Promise<AsyncDisposable> {
  await using up = new AsyncDisposableStack()
  const stop = new AbortController()
  const bells = up.use(openLaterBells(ctx, lane))
  const worker = { ctx, lane, source, handler, bells, stopping: stop.signal }
  up.use(await ctx.messaging.workLane(lane, (key, lease) => onJob(worker, key, lease), { drainMs: ctx.config.drainMs, ...options }))
  up.use(catchUp(ctx, lane, source))
  up.defer(() => stop.abort())
  return up.move()
}

/** Like `work`, for a handler that takes many keys at once. */
export function workSets<Context extends BaseContext>(
  ctx: Context,
  lane: LaneName,
  source: FeedSource,
  handler: SetHandler<Context>,
  options: { maxActive?: number } = {},
): Promise<AsyncDisposable> {
  return work(ctx, lane, source, (context, _key, entries, lease) => handler(context, entries, lease), options)
}

async function onJob<Context extends BaseContext>(worker: Worker<Context>, key: string, lease: Lease): Promise<'ack' | { nakMs: number }> {
  const { ctx, lane } = worker
  try {
    await drain(worker, key, lease)
    return 'ack'
  } catch (error) {
    if (!isInfrastructure(error)) throw error
    heldBack(1, { lane })
    ctx.log.warn({ lane, key, reason: (error as Error).message }, 'A lane waits for something that is away or busy')
    return { nakMs: holdBackMs * ctx.scale * (0.5 + Math.random()) }
  }
}

async function drain<Context extends BaseContext>(worker: Worker<Context>, key: string, lease: Lease): Promise<void> {
  const { ctx, lane, source, bells, stopping } = worker
  const sliceEnds = performance.now() + laneSettings.sliceMs * ctx.scale
  while (lease.isHeld()) {
    // What is left is rung for anew: other keys and workers have their turn, and a stop finds nothing that goes on for ever.
    if (stopping.aborted || performance.now() > sliceEnds) return ctx.messaging.ring(lane, key)
    const { entries, nextDueMs } = await source.take(lane, key)
    if (entries.length === 0) {
      if (nextDueMs !== null) bells.ringIn(key, nextDueMs)
      return
    }
    const { verdicts, heldBackBy } = await handled(worker, key, entries, lease)
    // Also when the lease was lost meanwhile: the effects are committed, and settling is by rows, so that a second worker
    // which has taken the same entries finds their effects there and settles what is settled already.
    if (verdicts.length > 0) await source.settle(lane, key, verdicts)
    if (heldBackBy) throw heldBackBy.error
    const later = verdicts.flatMap((verdict) => ('laterMs' in verdict ? [verdict.laterMs] : []))
    // Work that goes on later gives the lane back at once.
    if (later.length > 0 && later.length === verdicts.length) return bells.ringIn(key, Math.min(...later))
  }
}

interface Handled {
  /** What is known of the entries; those that aren't mentioned stay as they are. */
  verdicts: FeedVerdict[]
  /** Infrastructure failed on the way: the rest waits and is not blamed. */
  heldBackBy?: { error: unknown }
}

/** The entries as a set. Those that failed before, or now fail as a set, each alone: a bad one costs its neighbours nothing. */
async function handled<Context extends BaseContext>(
  worker: Worker<Context>,
  key: string,
  entries: FeedEntry[],
  lease: Lease,
): Promise<Handled> {
  const tried = entries.filter((entry) => entry.attempts > 0)
  const fresh = entries.filter((entry) => entry.attempts === 0)
  const verdicts: FeedVerdict[] = []
  const alone = async (some: FeedEntry[]) => {
    for (const entry of some) if (lease.isHeld()) verdicts.push(await handleOne(worker, key, entry, lease))
  }
  try {
    await alone(tried)
    if (fresh.length > 1) {
      const asSet = await handleSet(worker, key, fresh, lease).catch(blameEntries)
      if (asSet) verdicts.push(...asSet)
      else await alone(fresh)
    } else await alone(fresh)
    return { verdicts }
  } catch (error) {
    return { verdicts, heldBackBy: { error } }
  }
}

function blameEntries(error: unknown): undefined {
  if (isInfrastructure(error)) throw error
}

async function handleSet<Context extends BaseContext>(
  { ctx, handler }: Worker<Context>,
  key: string,
  entries: FeedEntry[],
  lease: Lease,
): Promise<FeedVerdict[]> {
  const verdicts = new Map((await handler(ctx, key, entries, lease)).map((verdict) => [verdict.id, verdict]))
  return entries.map((entry) => verdicts.get(entry.id) ?? { id: entry.id, outcome: 'done' })
}

async function handleOne<Context extends BaseContext>(
  worker: Worker<Context>,
  key: string,
  entry: FeedEntry,
  lease: Lease,
): Promise<FeedVerdict> {
  const { ctx, lane } = worker
  try {
    return (await handleSet(worker, key, [entry], lease))[0]!
  } catch (error) {
    if (isInfrastructure(error)) throw error
    failedEntries(1, { lane })
    ctx.log.error({ err: error, lane, key, entry: entry.id, attempts: entry.attempts + 1 }, 'A feed entry failed')
    return { id: entry.id, failure: (error instanceof Error ? error.message : String(error)).slice(0, 500) }
  }
}
