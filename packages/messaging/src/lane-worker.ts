import { setTimeout as delay } from 'node:timers/promises'
import { consumerName, type LaneName, laneKeyPattern, lanes, wakeSubject } from '@lockstep/contracts'
import { gauge } from '@lockstep/telemetry'
import { type Gate, openGate } from './gate.ts'
import { type LaneKey, serveKey } from './lane-key.ts'
import type { Lease, OwnLease } from './lease.ts'
import type { Link } from './link.ts'
import { openPulls, type Pulls } from './pulls.ts'
import { consumersOf } from './streams.ts'

/** `ack`: done, or nothing was there. `nakMs`: the lane waits this long, then the same doorbell rings again. */
export type Verdict = 'ack' | { nakMs: number }

/**
 * Does what waits for a key. Throwing holds the lane back for a few seconds and is for infrastructure failures only.
 * Once `lease.signal` aborts another worker may be at it; what the job answers then is not sent.
 */
export type LaneJob = (key: string, lease: Lease) => Promise<Verdict>

export interface WorkLaneOptions {
  /** Jobs at a time in this worker; default 32. */
  maxActive?: number
  /** How long disposing waits for running jobs before they lose their leases; default 15 s. */
  drainMs?: number
}

/** What one worker has open on one lane. */
export interface LaneWorker {
  link: Link
  lane: LaneName
  onJob: LaneJob
  /** A place for each running job. */
  jobs: Gate
  /** A place for each open pull. */
  places: Gate
  pulls: Pulls
  /** The keys that were active lately; each is being served. */
  keys: Map<string, LaneKey>
  leases: Set<OwnLease>
  stopping: AbortSignal
}

/** More open pulls than this slow the server's publishing down; further keys take turns. */
const maxOpenPulls = 768

/** Works on every key of a lane that is rung, one job a key at a time, until disposed. */
export async function workLane(link: Link, lane: LaneName, onJob: LaneJob, options: WorkLaneOptions = {}): Promise<AsyncDisposable> {
  const { maxActive = 32, drainMs = 15_000 * link.scale } = options
  const stop = new AbortController()
  const worker: LaneWorker = {
    link,
    lane,
    onJob,
    jobs: openGate(maxActive),
    places: openGate(maxOpenPulls),
    pulls: openPulls(link),
    keys: new Map(),
    leases: new Set(),
    stopping: stop.signal,
  }
  const wakes = link.nc.subscribe(wakeSubject(lane), {
    callback: (err, msg) => {
      if (err) link.log.error({ err, lane }, 'the subscription for wake-ups failed')
      else wake(worker, msg.string())
    },
  })
  const gauges = openGauges(worker)
  const reconnects = link.onReconnect(() => void wakeLeftovers(worker))
  await link.nc.flush().catch(() => undefined) // from here on wake-ups arrive
  void wakeLeftovers(worker)

  return {
    async [Symbol.asyncDispose]() {
      if (stop.signal.aborted) return
      stop.abort()
      wakes.unsubscribe()
      reconnects[Symbol.dispose]()
      await drain(worker, drainMs)
      gauges.dispose()
    },
  }
}

function wake(worker: LaneWorker, key: string): void {
  const { lane, keys, pulls, stopping } = worker
  if (stopping.aborted || !laneKeyPattern.test(key)) return
  const known = keys.get(key)
  if (known) {
    known.activeAt = performance.now()
    pulls.expect(consumerName(lane, key))
    return
  }
  const state: LaneKey = { key, activeAt: performance.now(), hasConsumer: false, served: Promise.resolve() }
  keys.set(key, state)
  state.served = serveKey(worker, state)
}

/**
 * Looks after keys whose wake-up nobody heard: a worker that was killed leaves doorbells behind. Whether anything is due for
 * them, the job will see.
 */
async function wakeLeftovers(worker: LaneWorker): Promise<void> {
  const { link, lane, stopping } = worker
  const { stream, subject } = lanes[lane]
  const prefix = subject('')
  try {
    const ours = (await consumersOf(link.jsm, stream)).filter((consumer) => consumer.subject.startsWith(prefix))
    for (const { subject, pending, unacknowledged } of ours) if (pending + unacknowledged > 0) wake(worker, subject.slice(prefix.length))
  } catch (err) {
    if (!stopping.aborted) link.log.debug({ err, lane }, 'doorbells that are left could not be looked for; the sweeper rings what is due')
  }
}

/** Begins nothing more, waits for what runs, then takes the leases of what still does. Unanswered messages are given out again. */
async function drain({ link, jobs, places, pulls, keys, leases }: LaneWorker, drainMs: number): Promise<void> {
  jobs.close()
  places.close()
  const served = Promise.all([...keys.values()].map((state) => state.served))
  await pulls.stop()
  await within(served, drainMs)
  for (const lease of leases) lease.lose('the worker is shutting down')
  await within(served, 1_000 * link.scale) // for jobs that heed the signal
}

function openGauges({ lane, keys, pulls }: LaneWorker): DisposableStack {
  const gauges = new DisposableStack()
  const labels = { lane }
  gauges.use(gauge('lockstep_lane_active_keys', 'Keys a worker looks after.', () => [{ value: keys.size, labels }]))
  gauges.use(gauge('lockstep_lane_open_pulls', 'Pulls that wait for a doorbell.', () => [{ value: pulls.open, labels }]))
  return gauges
}

/** Waits for something, but not longer than this. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  const over = new AbortController()
  await Promise.race([work, delay(ms, undefined, { signal: over.signal }).catch(() => undefined)])
  over.abort()
}
