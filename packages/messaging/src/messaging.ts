import type { LaneName } from '@lockstep/contracts'
import { openDoorbells } from './doorbell.ts'
import { type EventSubject, publishEvent, subscribeEvent } from './events.ts'
import { type LaneJob, type WorkLaneOptions, workLane } from './lane-worker.ts'
import { type LinkOptions, openLink } from './link.ts'

export type MessagingOptions = LinkOptions

/** Lanes and events over one NATS connection. */
export interface Messaging extends AsyncDisposable {
  /** Says that a key has work. Never throws and never waits; what could not be delivered is counted, and rung again by the sweeper. */
  ring(lane: LaneName, key: string): void
  /** Sends the rings that are being debounced and waits until each is stored or has failed. */
  flush(): Promise<void>
  /** Works on a lane until disposed; disposing drains. */
  workLane(lane: LaneName, onJob: LaneJob, options?: WorkLaneOptions): Promise<AsyncDisposable>
  /** Tells live views that something happened, best effort. */
  publishEvent(subject: EventSubject, payload?: unknown): void
  /** Calls `fn` with the payload of each such event, from now on. */
  subscribeEvent(subject: EventSubject, fn: (payload: unknown) => void): Disposable
  /** Calls `fn` after each reconnect, when the streams exist again. */
  onReconnect(fn: () => void): Disposable
  isConnected(): boolean
}

/**
 * Connects to NATS and creates the streams of the table. Waits for a server that is not there yet until `signal` aborts;
 * throws `precondition` when the server refuses a stream.
 */
export async function openMessaging(options: MessagingOptions): Promise<Messaging> {
  await using up = new AsyncDisposableStack()
  const link = up.use(await openLink(options))
  const doorbells = up.use(openDoorbells(link))
  const open = up.move()
  return {
    ring: doorbells.ring,
    flush: doorbells.flush,
    workLane: (lane, onJob, laneOptions) => workLane(link, lane, onJob, laneOptions),
    publishEvent: (subject, payload) => publishEvent(link, subject, payload),
    subscribeEvent: (subject, fn) => subscribeEvent(link, subject, fn),
    onReconnect: link.onReconnect,
    isConnected: link.isConnected,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}
