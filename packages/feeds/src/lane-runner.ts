import { type LaneName, laneSettings, partitionOf } from '@lockstep/contracts'
import type { AssignedPartition, LaneListener, Lease } from '@lockstep/messaging'
import { counter, histogram, withTrace } from '@lockstep/telemetry'
import { openAssignedPartitions, type Run } from './assigned-partitions.ts'
import { catchUp } from './catch-up.ts'
import type { FeedContext } from './context.ts'
import { openDelayedWakeUps } from './delayed-wake-ups.ts'
import type { FeedEntry, Settlement } from './entry.ts'
import { handleEntries, type SetResult, type SetWork } from './handle-set.ts'
import type { EntryResult } from './handler.ts'
import { Pacing } from './pacing.ts'
import type { FeedSource } from './source.ts'
import type { TakeResult } from './take.ts'

/** How a lane's entries are put together and handled. */
export interface LanePlan {
  handle(entries: FeedEntry[], lease: Lease): Promise<EntryResult[]>
  /** `keys`: each key for itself. `sets`: all that is due, one set after the other. */
  by: 'keys' | 'sets'
  /** Runs at a time, and of one account where each key runs for itself. */
  maxActive: number
  maxOfAccount: number
}

const postponed = counter(
  'lockstep_lane_held_back_total',
  'Runs and takes put off because something they need is away or busy',
)
const runSize = histogram('lockstep_lane_run_entries', 'Entries handled together', '1')
const runSeconds = histogram(
  'lockstep_lane_run_seconds',
  'Duration of a run: handling and settling',
  's',
)

/** How often a worker looks whether its partitions are certainly its own. */
const doubtMs = 50
/** About how long work waits for something that is away or busy. */
const postponeMs = 2_000

/** Works on a lane until disposed, which waits for what is being handled. */
export async function runLane(
  ctx: FeedContext,
  lane: LaneName,
  source: FeedSource,
  plan: LanePlan,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const runner = stack.use(new LaneRunner(ctx, lane, source, plan))
  const { drainMs } = ctx.config
  stack.use(await ctx.messaging.consumeLane(lane, runner.listener, { drainMs }))
  stack.use(catchUp(ctx, lane, source))
  stack.defer(() => runner.stop())
  return stack.move()
}

/** Takes what is due in the partitions that it is assigned, handles it and settles it. */
class LaneRunner implements Disposable {
  readonly #ctx: FeedContext
  readonly #lane: LaneName
  readonly #source: FeedSource
  readonly #plan: LanePlan
  readonly #partitions
  readonly #wakeUps
  readonly #pacing
  readonly #runs = new Set<Run>()
  /** Keys that are left alone for a while, because something they need is away or busy. */
  readonly #postponedKeys = new Map<string, NodeJS.Timeout>()
  readonly #lastSuccess = { at: performance.now() }
  #isStopped = false
  #isTaking = false
  #timer: NodeJS.Timeout | undefined
  readonly listener: LaneListener = {
    onAssigned: (partition: AssignedPartition) => {
      this.#partitions.assign(partition)
      this.#next()
    },
    onWakeUp: (partition) => this.#wake(partition),
  }

  constructor(ctx: FeedContext, lane: LaneName, source: FeedSource, plan: LanePlan) {
    this.#ctx = ctx
    this.#lane = lane
    this.#source = source
    this.#plan = plan
    this.#partitions = openAssignedPartitions(ctx.scale)
    this.#pacing = new Pacing(ctx.scale)
    this.#wakeUps = openDelayedWakeUps((partition) => this.#wake(partition))
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    for (const timer of this.#postponedKeys.values()) clearTimeout(timer)
    this.#partitions.stop()
  }

  [Symbol.dispose](): void {
    this.#wakeUps[Symbol.dispose]()
  }

  #wake(partition: number): void {
    if (this.#partitions.has(partition)) {
      this.#partitions.markWork(partition)
      this.#next()
    } else this.#ctx.messaging.wakePartition(this.#lane, partition)
  }

  /** Takes now, or when it may; a run that ends calls it again. */
  #next(): void {
    if (this.#isStopped || this.#isTaking) return
    clearTimeout(this.#timer)
    if (this.#runs.size >= this.#plan.maxActive) return
    const ms = this.#pacing.waitMs(this.#isByAccount() ? [] : this.#runs)
    if (ms > 0) this.#timer = setTimeout(() => this.#next(), ms)
    else void this.#take()
  }

  async #take(): Promise<void> {
    const partitions = this.#partitions.takeFrom()
    if (partitions.length === 0) {
      if (this.#partitions.isInDoubt()) this.#timer = setTimeout(() => this.#next(), doubtMs)
      return
    }
    this.#isTaking = true
    this.#pacing.noteTake()
    const lane = this.#lane
    try {
      const result = await this.#source.take({ lane, partitions, ...this.#exceptions() })
      // What comes as the lane stops is due still: whoever has its partitions next takes it.
      if (!this.#isStopped) this.#begin(partitions, result)
    } catch (error) {
      postponed(1, { lane })
      const reason = (error as Error).message
      this.#ctx.log.warn({ lane, reason }, 'A lane waits: its entries could not be taken')
      this.#pacing.pause(this.#backOffMs())
      for (const partition of partitions) this.#partitions.markWork(partition)
    } finally {
      this.#isTaking = false
      this.#next()
    }
  }

  /** Leaves out keys that run or are postponed, and accounts that have all their places. */
  #exceptions() {
    const running = [...this.#runs].flatMap((run) => [...run.keys])
    const exceptKeys = [...running, ...this.#postponedKeys.keys()]
    const { by, maxActive, maxOfAccount } = this.#plan
    if (by === 'sets') return { exceptKeys, maxEntries: this.#pacing.setEntries }
    const places = Map.groupBy(this.#runs, (run) => run.accountId)
    const exceptAccounts = [...places].flatMap(([id, runs]) =>
      id && runs.length >= maxOfAccount ? [id] : [],
    )
    return { exceptKeys, exceptAccounts, maxKeys: maxActive - this.#runs.size }
  }

  /** Starts what was taken, and looks again where more may be due. */
  #begin(partitions: number[], { entries, more, nextDueMs }: TakeResult): void {
    for (const group of this.#groupsOf(entries))
      if (this.#mayRun(group)) void this.#run(group)
      else for (const { key } of group) this.#partitions.markWork(partitionOf(this.#lane, key))
    for (const partition of partitions) {
      if (more) this.#partitions.markWork(partition)
      else this.#partitions.markIdle(partition)
      if (nextDueMs !== null) this.#wakeUps.wakeIn(partition, nextDueMs)
    }
  }

  #isByAccount(): boolean {
    return this.#plan.by === 'keys' || this.#pacing.isIsolating()
  }

  #groupsOf(entries: FeedEntry[]): FeedEntry[][] {
    if (entries.length === 0) return []
    if (!this.#isByAccount()) return [entries]
    const byKey = this.#plan.by === 'keys'
    const groupOf = ({ key, accountId }: FeedEntry) => (byKey ? key : accountId || key)
    return [...Map.groupBy(entries, groupOf).values()]
  }

  #mayRun([first]: FeedEntry[]): boolean {
    const { by, maxActive, maxOfAccount } = this.#plan
    if (this.#runs.size >= maxActive) return false
    const { accountId } = first!
    if (by === 'sets' || !accountId) return true
    return [...this.#runs].filter((run) => run.accountId === accountId).length < maxOfAccount
  }

  async #run(entries: FeedEntry[]): Promise<void> {
    const lane = this.#lane
    const { run, isMixed } = runOf(lane, entries)
    this.#runs.add(run)
    this.#partitions.begin(run)
    const [partition] = run.partitions
    const header = (name: string) => this.#partitions.header(partition!, name)
    const result = await withTrace(header, `lane ${lane}`, () => this.#handle(run, entries))
    const ms = performance.now() - run.startedAt
    this.#runs.delete(run)
    this.#postpone(run, result, isMixed)
    this.#pacing.adjust(entries.length, ms)
    runSize(entries.length, { lane })
    runSeconds(ms / 1000, { lane })
    this.#partitions.end(run)
    this.#next()
  }

  /** Handles and settles; never rejects. */
  async #handle({ leases: { signal } }: Run, entries: FeedEntry[]): Promise<SetResult> {
    const lease: Lease = { signal, isHeld: () => !signal.aborted }
    const work: SetWork = {
      lane: this.#lane,
      log: this.#ctx.log,
      lease,
      lastSuccess: this.#lastSuccess,
      handle: (some) => this.#plan.handle(some, lease),
    }
    const result = await handleEntries(work, entries)
    if (result.settlements.length === 0) return result
    try {
      // Also without the lease: the effects are committed, and a second worker finds them and
      // settles the same.
      await this.#source.settle(this.#lane, result.settlements)
      return result
    } catch (error) {
      return { settlements: [], blockedBy: { error } }
    }
  }

  /** Entries that come back wake their partition when due; blocked keys wait a while. */
  #postpone(run: Run, { settlements, blockedBy }: SetResult, isMixed: boolean): void {
    const lane = this.#lane
    for (const [partition, ms] of nextDueOf(lane, settlements, this.#ctx.scale))
      this.#wakeUps.wakeIn(partition, ms)
    if (!blockedBy) return
    postponed(1, { lane })
    const reason = (blockedBy.error as Error).message
    const about = { lane, keys: run.keys.size, reason }
    this.#ctx.log.warn(about, 'Entries wait for something that is away or busy')
    if (!isMixed) for (const key of run.keys) this.#postponeKey(key)
    else if (!this.#isByAccount()) this.#pacing.isolate()
  }

  #postponeKey(key: string): void {
    clearTimeout(this.#postponedKeys.get(key))
    const end = () => {
      this.#postponedKeys.delete(key)
      this.#wake(partitionOf(this.#lane, key))
    }
    this.#postponedKeys.set(key, setTimeout(end, this.#backOffMs()))
  }

  #backOffMs(): number {
    return postponeMs * this.#ctx.scale * (0.5 + Math.random())
  }
}

/** `isMixed`: of more than one account, or of several keys without one. */
function runOf(lane: LaneName, entries: FeedEntry[]): { run: Run; isMixed: boolean } {
  const keys = new Set(entries.map((entry) => entry.key))
  const accounts = new Set(entries.map((entry) => entry.accountId))
  const run = {
    keys,
    partitions: new Set([...keys].map((key) => partitionOf(lane, key))),
    accountId: accounts.size === 1 ? entries[0]!.accountId : '',
    startedAt: performance.now(),
    leases: new AbortController(),
  }
  return { run, isMixed: accounts.size > 1 || (accounts.has('') && keys.size > 1) }
}

/** Of each partition: in how many ms the first entry that was put off, or failed, is due again. */
function nextDueOf(lane: LaneName, settlements: Settlement[], scale: number): Map<number, number> {
  const soonest = new Map<number, number>()
  for (const settlement of settlements) {
    if ('outcome' in settlement) continue
    const partition = partitionOf(lane, settlement.key)
    const ms = 'laterMs' in settlement ? settlement.laterMs : laneSettings.retryMs * scale
    soonest.set(partition, Math.min(ms, soonest.get(partition) ?? Number.POSITIVE_INFINITY))
  }
  return soonest
}
