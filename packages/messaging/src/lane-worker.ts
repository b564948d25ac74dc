import { setTimeout as delay } from 'node:timers/promises'
import { type LaneName, lanes, wakeSubject } from '@lockstep/contracts'
import { gauge } from '@lockstep/telemetry'
import { consumersOf } from './consumers.ts'
import type { LaneListener, LaneWorker } from './lane.ts'
import type { Link } from './link.ts'
import { openPartition } from './partition.ts'
import { openPulls } from './pulls.ts'
import { openSemaphore } from './semaphore.ts'

export interface LaneWorkerOptions {
  /** How long disposing waits for partitions to be released; default 15 s. */
  drainMs?: number
}

/** More open pulls than this slow the server's publishing down; further partitions take turns. */
const maxOpenPulls = 768

/** Takes every partition of a lane that is woken and that no other worker has, until disposed. */
export async function consumeLane(
  link: Link,
  lane: LaneName,
  listener: LaneListener,
  { drainMs = 15_000 * link.scale }: LaneWorkerOptions = {},
): Promise<AsyncDisposable> {
  const stop = new AbortController()
  const worker: LaneWorker = {
    link,
    lane,
    listener,
    places: openSemaphore(maxOpenPulls),
    pulls: openPulls(link),
    partitions: new Map(),
    leases: new Set(),
    stopping: stop.signal,
  }
  const wakes = link.nc.subscribe(wakeSubject(lane), {
    callback: (err, msg) => {
      if (err) return link.log.error({ err, lane }, 'the subscription for wake-ups failed')
      for (const partition of msg.string().split(',')) wake(worker, Number(partition))
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

function wake(worker: LaneWorker, number: number): void {
  const { lane, partitions, stopping } = worker
  if (
    stopping.aborted ||
    !(Number.isInteger(number) && number >= 0 && number < lanes[lane].partitions)
  )
    return
  const known = partitions.get(number)
  if (known) known.wake()
  else partitions.set(number, openPartition(worker, number))
}

/** Wakes partitions whose stored wake-up a killed worker has not answered. */
async function wakeLeftovers(worker: LaneWorker): Promise<void> {
  const { link, lane, stopping } = worker
  const { stream, prefix } = lanes[lane]
  try {
    for (const { subject, pending, unacknowledged } of await consumersOf(link.jsm, stream))
      if (subject.startsWith(prefix) && pending + unacknowledged > 0)
        wake(worker, Number(subject.slice(prefix.length)))
  } catch (err) {
    if (!stopping.aborted)
      link.log.debug(
        { err, lane },
        'stored wake-ups could not be listed; the sweeper wakes what is due',
      )
  }
}

/** Takes nothing more, waits for releases, then ends the leases that are left. */
async function drain(
  { link, places, pulls, partitions, leases }: LaneWorker,
  drainMs: number,
): Promise<void> {
  places.close()
  const served = Promise.all([...partitions.values()].map((partition) => partition.served))
  await pulls.stop()
  await within(served, drainMs)
  for (const lease of leases) lease.lose('the worker is shutting down')
  await within(served, 1_000 * link.scale) // for work that heeds the signal
}

function openGauges({ lane, partitions, pulls, leases }: LaneWorker): DisposableStack {
  const gauges = new DisposableStack()
  const labels = { lane }
  const measure = (name: string, description: string, figure: () => number) =>
    gauges.use(gauge(name, description, () => [{ value: figure(), labels }]))
  measure(
    'lockstep_lane_active_partitions',
    'Partitions that a worker looks after.',
    () => partitions.size,
  )
  measure('lockstep_lane_assigned_partitions', 'Partitions that a worker has.', () => leases.size)
  measure('lockstep_lane_open_pulls', 'Pulls that wait for a wake-up.', () => pulls.open)
  return gauges
}

/** Waits for something, but not longer than this. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  const over = new AbortController()
  await Promise.race([work, delay(ms, undefined, { signal: over.signal }).catch(() => undefined)])
  over.abort()
}
