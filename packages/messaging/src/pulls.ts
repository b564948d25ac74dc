import { createInbox, type Msg, nanos } from '@nats-io/nats-core'
import { nak } from './lease.ts'
import type { Link } from './link.ts'

/** `unanswered`: there is no such consumer, or the server was away. */
export type PullResult =
  | { kind: 'message'; msg: Msg; since: number }
  | { kind: 'empty' | 'unanswered' }

export interface Pulls {
  /** Waits `expiresMs` for a consumer's next message; one request a consumer at a time. */
  pull(stream: string, consumer: string, expiresMs: number): Promise<PullResult>
  /** A message is there: an expired request is not waited for much longer. */
  expect(consumer: string): void
  readonly open: number
  /** Ends all waiting; a message that is already on its way is handed back. */
  stop(): Promise<void>
}

interface OpenPull {
  /** At once: what arrives in the same read is not for this request any more. */
  settle(pulled: PullResult): void
  expiresAt: number
  timer: NodeJS.Timeout
}

/** Servers before 2.10 drop a request in silence when a message arrives just as it expires. */
const expectedWithinMs = 250

/** The client's own consumer would subscribe anew for each message. */
export function openPulls(link: Link): Pulls {
  const { nc, settings } = link
  const inbox = createInbox()
  const openPulls = new Map<string, OpenPull>()
  const clock = startClock(settings.leaseMarginMs / 2)

  const subscription = nc.subscribe(`${inbox}.*`, {
    callback: (err, msg) => {
      if (err) return link.log.error({ err }, 'the subscription for lane messages failed')
      const code = msg.headers?.code
      const consumer = code ? msg.subject.slice(inbox.length + 1) : consumerOf(msg)
      const entry = openPulls.get(consumer)
      if (code) return entry?.settle({ kind: kindOf(code) })
      if (entry) return entry.settle({ kind: 'message', msg, since: clock.lastSeenAlive() })
      if (performance.now() - clock.lastSeenAlive() < settings.ackWaitMs - settings.leaseMarginMs)
        msg.respond(nak())
    },
  })
  const giveUp = () => {
    for (const entry of openPulls.values()) entry.settle({ kind: 'unanswered' })
  }
  const reconnects = link.onReconnect(giveUp) // requests die with the connection

  return {
    async pull(stream, consumer, expiresMs) {
      const askedAt = performance.now()
      const { promise, resolve } = Promise.withResolvers<PullResult>()
      const entry: OpenPull = {
        settle(pulled) {
          clearTimeout(entry.timer)
          openPulls.delete(consumer)
          resolve(pulled)
        },
        expiresAt: askedAt + expiresMs,
        timer: setTimeout(
          () => entry.settle({ kind: 'unanswered' }),
          expiresMs + settings.leaseMarginMs,
        ),
      }
      openPulls.set(consumer, entry)
      const request = JSON.stringify({ batch: 1, expires: nanos(Math.ceil(expiresMs)) })
      try {
        nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, request, {
          reply: `${inbox}.${consumer}`,
        })
      } catch (err) {
        entry.settle({ kind: 'unanswered' }) // nothing is left behind; the connection is closed
        throw err
      }
      const pulled = await promise
      return pulled.kind === 'message'
        ? { ...pulled, since: Math.max(pulled.since, askedAt) }
        : pulled
    },
    expect(consumer) {
      const entry = openPulls.get(consumer)
      if (!entry) return
      clearTimeout(entry.timer)
      const leftMs = entry.expiresAt + expectedWithinMs - performance.now()
      entry.timer = setTimeout(() => entry.settle({ kind: 'unanswered' }), Math.max(0, leftMs))
    },
    get open() {
      return openPulls.size
    },
    async stop() {
      reconnects[Symbol.dispose]()
      giveUp()
      await subscription.drain().catch(() => undefined) // the connection may be closed already
      clock.stop()
    },
  }
}

/** `$JS.ACK.<stream>.<consumer>.…`, or with domain and account before the stream. */
function consumerOf(msg: Msg): string {
  const tokens = msg.reply?.split('.') ?? []
  return (tokens.length < 11 ? tokens[3] : tokens[5]) ?? ''
}

/** 408 ends the waiting; 503 and 409 say that there is no consumer. */
function kindOf(code: number): 'empty' | 'unanswered' {
  return code === 408 || code === 404 ? 'empty' : 'unanswered'
}

/**
 * A time at which this process was running and its socket empty. After a stall timers fire before
 * sockets are read, so the tick before the last one counts.
 */
function startClock(tickMs: number) {
  let before = performance.now()
  let last = before
  const timer = setInterval(() => {
    before = last
    last = performance.now()
  }, tickMs).unref()
  return { lastSeenAlive: () => before, stop: () => clearInterval(timer) }
}
