import { type LaneName, partitionOf } from '@lockstep/contracts'
import { watchDeadProcesses } from './dead-processes.ts'
import { type EventSubject, publishEvent, subscribeEvent } from './events.ts'
import type { LaneListener } from './lane.ts'
import { consumeLane, type LaneWorkerOptions } from './lane-worker.ts'
import { type LinkOptions, openLink } from './link.ts'
import { openWakeUps } from './wake-ups.ts'

export type MessagingOptions = LinkOptions

/** Lanes and events over one NATS connection. */
export interface Messaging extends AsyncDisposable {
  /** Never throws, never waits; the sweeper sends a failed wake-up again. */
  wake(lane: LaneName, key: string): void
  /** Wakes the worker of a partition; otherwise like `wake`. */
  wakePartition(lane: LaneName, partition: number): void
  /** Sends wake-ups that wait for others and resolves when each is stored or has failed. */
  flush(): Promise<void>
  /** Takes the partitions of a lane that have work, until disposed; disposing drains. */
  consumeLane(
    lane: LaneName,
    listener: LaneListener,
    options?: LaneWorkerOptions,
  ): Promise<AsyncDisposable>
  /** Tells live views that something happened, best effort. */
  publishEvent(subject: EventSubject, payload?: unknown): void
  /** Calls `fn` with the payload of each such event, from now on. */
  subscribeEvent(subject: EventSubject, fn: (payload: unknown) => void): Disposable
  /** Calls `fn` after each reconnect, when the streams exist again. */
  onReconnect(fn: () => void): Disposable
  isConnected(): boolean
}

/** Waits for NATS until `signal` aborts; throws `precondition` when it refuses a stream. */
export async function openMessaging(options: MessagingOptions): Promise<Messaging> {
  await using stack = new AsyncDisposableStack()
  const link = stack.use(await openLink(options))
  const wakeUps = stack.use(openWakeUps(link))
  if (options.liveness) stack.use(await watchDeadProcesses(link, options.liveness))
  const open = stack.move()
  return {
    wake: (lane, key) => wakeUps.wake(lane, partitionOf(lane, key)),
    wakePartition: wakeUps.wake,
    flush: wakeUps.flush,
    consumeLane: (lane, listener, laneOptions) => consumeLane(link, lane, listener, laneOptions),
    publishEvent: (subject, payload) => publishEvent(link, subject, payload),
    subscribeEvent: (subject, fn) => subscribeEvent(link, subject, fn),
    onReconnect: link.onReconnect,
    isConnected: link.isConnected,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}
