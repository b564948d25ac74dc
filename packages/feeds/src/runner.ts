import { type LaneName, laneSettings, partitionOf } from '@lockstep/contracts'
import type { Lease } from '@lockstep/messaging'
import { counter, histogram, withTrace } from '@lockstep/telemetry'
import { catchUp } from './catch-up.ts'
import type { FeedContext } from './context.ts'
import type { FeedEntry, Settlement } from './entry.ts'
import { type Handled, handleEntries, type SetWork } from './handle-set.ts'
import type { EntryResult } from './handler.ts'
import { openHeldPartitions, type Run } from './held-partitions.ts'
import { openLaterBells } from './later-bells.ts'
import type { FeedSource } from './source.ts'
import type { Taken } from './take.ts'

/** How a lane's entries are put together and handled. */
export interface LanePlan {
  handle(entries: FeedEntry[], lease: Lease): Promise<EntryResult[]>
  /** `keys`: each key for itself. `sets`: all that is due, one set after the other. */
  by: 'keys' | 'sets'
  /** Runs at a time, and of one account where each key runs for itself. */
  maxActive: number
  maxOfAccount: number
}

const heldBack = counter(
  'lockstep_lane_held_back_total',
  'Runs and takes put off because something they need is away or busy',
)
const runSize = histogram('lockstep_lane_run_entries', 'Entries handled together', '1')
const runSeconds = histogram(
  'lockstep_lane_run_seconds',
  'Duration of a run: handling and settling',
  's',
)

/** How often it is looked whether partitions are certainly this worker's. */
const doubtMs = 50
const holdBackMs = 2_000
/** After a set of many accounts was held back, each account's entries are a set of their own for so long. */
const isolationMs = 10_000

/** Works on a lane until disposed, which waits for what is being handled. */
export async function runLane(
  ctx: FeedContext,
  lane: LaneName,
  source: FeedSource,
  plan: LanePlan,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { scale, log } = ctx
  const held = openHeldPartitions(scale)
  const runs = new Set<Run>()
  /** Keys that something away has held back, for a while. */
  const resting = new Map<string, NodeJS.Timeout>()
  const succeeded = { at: performance.now() }
  let stopped = false
  let taking = false
  let timer: NodeJS.Timeout | undefined
  let lastTakeAt = Number.NEGATIVE_INFINITY
  let isolatedUntil = Number.NEGATIVE_INFINITY
  let pausedUntil = Number.NEGATIVE_INFINITY
  let setEntries: number = laneSettings.takeEntries

  const ring = (partition: number) => {
    if (!held.has(partition)) return ctx.messaging.ringPartition(lane, partition)
    held.look(partition)
    pump()
  }
  const bells = stack.use(openLaterBells(ring))
  const backOffMs = () => holdBackMs * scale * (0.5 + Math.random())
  const isIsolating = () => plan.by === 'keys' || performance.now() < isolatedUntil

  /** How long no take may begin, ms; null until a run has ended. */
  function waitMs(): number | null {
    if (runs.size >= plan.maxActive) return null
    const now = performance.now()
    const pace = Math.max(lastTakeAt + laneSettings.paceMs, pausedUntil) - now
    if (isIsolating() || runs.size === 0) return Math.max(0, pace)
    const youngest = Math.max(...[...runs].map((run) => run.startedAt))
    return Math.max(0, pace, youngest + laneSettings.besideMs - now)
  }

  function pump(): void {
    if (stopped || taking) return
    clearTimeout(timer)
    const ms = waitMs()
    if (ms === null) return
    if (ms > 0) timer = setTimeout(pump, ms)
    else void take()
  }

  async function take(): Promise<void> {
    const partitions = held.toLook()
    if (partitions.length === 0) {
      if (held.isInDoubt()) timer = setTimeout(pump, doubtMs)
      return
    }
    taking = true
    lastTakeAt = performance.now()
    try {
      const taken = await source.take({ lane, partitions, ...exceptions() })
      // What was taken as the lane stopped is due still: whoever holds its partitions next takes it.
      if (!stopped) begin(partitions, taken)
    } catch (error) {
      heldBack(1, { lane })
      log.warn(
        { lane, reason: (error as Error).message },
        'A lane waits: its entries could not be taken',
      )
      pausedUntil = performance.now() + backOffMs()
      for (const partition of partitions) held.look(partition)
    } finally {
      taking = false
      pump()
    }
  }

  /** What a take leaves out: keys that run or rest, and accounts that have all their places. */
  function exceptions() {
    const exceptKeys = [...[...runs].flatMap((run) => [...run.keys]), ...resting.keys()]
    if (plan.by === 'sets') return { exceptKeys, maxEntries: setEntries }
    const places = Map.groupBy(runs, (run) => run.accountId)
    const exceptAccounts = [...places].flatMap(([id, its]) =>
      id && its.length >= plan.maxOfAccount ? [id] : [],
    )
    return { exceptKeys, exceptAccounts, maxKeys: plan.maxActive - runs.size }
  }

  /** Starts what was taken, and looks again where more may be due. */
  function begin(partitions: number[], { entries, more, nextDueMs }: Taken): void {
    const groups = groupsOf(entries)
    for (const group of groups)
      if (mayRun(group)) void start(group)
      else for (const { key } of group) held.look(partitionOf(lane, key))
    for (const partition of partitions) {
      if (more) held.look(partition)
      else held.quiet(partition)
      if (nextDueMs !== null) bells.ringIn(partition, nextDueMs)
    }
  }

  function groupsOf(entries: FeedEntry[]): FeedEntry[][] {
    if (entries.length === 0) return []
    if (!isIsolating()) return [entries]
    const of =
      plan.by === 'keys'
        ? (entry: FeedEntry) => entry.key
        : (entry: FeedEntry) => entry.accountId || entry.key
    return [...Map.groupBy(entries, of).values()]
  }

  function mayRun([first]: FeedEntry[]): boolean {
    if (runs.size >= plan.maxActive) return false
    if (plan.by === 'sets' || !first!.accountId) return true
    return [...runs].filter((run) => run.accountId === first!.accountId).length < plan.maxOfAccount
  }

  async function start(entries: FeedEntry[]): Promise<void> {
    const keys = new Set(entries.map((entry) => entry.key))
    const partitions = new Set([...keys].map((key) => partitionOf(lane, key)))
    const accounts = new Set(entries.map((entry) => entry.accountId))
    const [accountId = ''] = accounts.size === 1 ? accounts : []
    const run: Run = {
      keys,
      partitions,
      accountId,
      startedAt: performance.now(),
      lost: new AbortController(),
    }
    runs.add(run)
    held.begin(run)
    const [partition] = partitions
    const handled = await withTrace(
      (name) => held.header(partition!, name),
      `lane ${lane}`,
      () => work(run, entries),
    )
    runs.delete(run)
    putOff(run, handled, accounts.size > 1 || (accounts.has('') && keys.size > 1))
    fit(entries.length, performance.now() - run.startedAt)
    runSize(entries.length, { lane })
    runSeconds((performance.now() - run.startedAt) / 1000, { lane })
    held.end(run)
    pump()
  }

  /** Makes the next sets as large as can be handled in `setMs` at the pace of this one. A small set says little. */
  function fit(entries: number, ms: number): void {
    const { setMs, takeEntries, minSetEntries } = laneSettings
    if (entries >= minSetEntries)
      setEntries = Math.round(
        Math.max(minSetEntries, Math.min(takeEntries, (entries * setMs) / ms)),
      )
  }

  /** Handles and settles; never rejects. */
  async function work(run: Run, entries: FeedEntry[]): Promise<Handled> {
    const lease: Lease = { signal: run.lost.signal, isHeld: () => !run.lost.signal.aborted }
    const set: SetWork = { lane, log, lease, succeeded, handle: (some) => plan.handle(some, lease) }
    const handled = await handleEntries(set, entries)
    if (handled.settlements.length === 0) return handled
    try {
      // Also when the lease was lost meanwhile: the effects are committed, and settling is by rows, so that a second worker
      // which has taken the same entries finds their effects there and settles what is settled already.
      await source.settle(lane, handled.settlements)
      return handled
    } catch (error) {
      return { settlements: [], heldBackBy: { error } }
    }
  }

  /** What waits comes back in its time: entries that say so, and keys that something away has held back. */
  function putOff(run: Run, { settlements, heldBackBy }: Handled, isMixed: boolean): void {
    for (const [partition, ms] of laterOf(lane, settlements, scale)) bells.ringIn(partition, ms)
    if (!heldBackBy) return
    heldBack(1, { lane })
    log.warn(
      { lane, keys: run.keys.size, reason: (heldBackBy.error as Error).message },
      'Entries wait for something that is away or busy',
    )
    if (isMixed && !isIsolating()) isolatedUntil = performance.now() + isolationMs * scale
    if (!isMixed) for (const key of run.keys) rest(key, backOffMs())
  }

  /** Leaves a key alone for so long. */
  function rest(key: string, ms: number): void {
    clearTimeout(resting.get(key))
    const end = () => {
      resting.delete(key)
      ring(partitionOf(lane, key))
    }
    resting.set(key, setTimeout(end, ms))
  }

  const listener = {
    onHeld: (partition: Parameters<typeof held.hold>[0]) => {
      held.hold(partition)
      pump()
    },
    onRung: ring,
  }
  stack.use(await ctx.messaging.consumeLane(lane, listener, { drainMs: ctx.config.drainMs }))
  stack.use(catchUp(ctx, lane, source))
  stack.defer(() => {
    stopped = true
    clearTimeout(timer)
    for (const rests of resting.values()) clearTimeout(rests)
    held.stop()
  })
  return stack.move()
}

/** The soonest time at which an entry that was put off, or failed, is due again, by partition. */
function laterOf(lane: LaneName, settlements: Settlement[], scale: number): Map<number, number> {
  const soonest = new Map<number, number>()
  for (const settlement of settlements) {
    if ('outcome' in settlement) continue
    const partition = partitionOf(lane, settlement.key)
    const ms = 'laterMs' in settlement ? settlement.laterMs : laneSettings.retryMs * scale
    soonest.set(partition, Math.min(ms, soonest.get(partition) ?? Number.POSITIVE_INFINITY))
  }
  return soonest
}
