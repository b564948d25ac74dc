import { createInbox, type Msg, nanos } from '@nats-io/nats-core'
import { nak } from './lease.ts'
import type { Link } from './link.ts'

/** What became of a request for one message. `unanswered`: there is no such consumer, or the server was away. */
export type Pulled = { kind: 'message'; msg: Msg; since: number } | { kind: 'empty' | 'unanswered' }

export interface Pulls {
  /** Asks a consumer for its next message and waits for it for `expiresMs`; one request a consumer at a time. */
  pull(stream: string, consumer: string, expiresMs: number): Promise<Pulled>
  readonly open: number
  /** Ends all waiting; a message that is already on its way is handed back. */
  stop(): Promise<void>
}

/**
 * Pull requests of many consumers over one subscription. The client's own consumer subscribes anew for each message, waits at
 * least a second, and loses what arrives while it unsubscribes; with thousands of lanes all three hurt.
 */
export function openPulls(link: Link): Pulls {
  const { nc, settings } = link
  const inbox = createInbox()
  const waiting = new Map<string, (pulled: Pulled) => void>()
  const clock = startClock(settings.leaseMarginMs / 2)

  const subscription = nc.subscribe(`${inbox}.*`, {
    callback: (err, msg) => {
      if (err) return link.log.error({ err }, 'the subscription for lane messages failed')
      const code = msg.headers?.code
      const consumer = code ? msg.subject.slice(inbox.length + 1) : consumerOf(msg)
      const resolve = waiting.get(consumer)
      if (code) return resolve?.({ kind: kindOf(code) })
      if (resolve) return resolve({ kind: 'message', msg, since: clock.lastSeenAlive() })
      if (performance.now() - clock.lastSeenAlive() < settings.ackWaitMs - settings.leaseMarginMs) msg.respond(nak())
    },
  })
  const giveUp = () => {
    for (const resolve of waiting.values()) resolve({ kind: 'unanswered' })
  }
  const reconnects = link.onReconnect(giveUp) // requests die with the connection

  return {
    async pull(stream, consumer, expiresMs) {
      const askedAt = performance.now()
      const { promise, resolve } = Promise.withResolvers<Pulled>()
      const timer = setTimeout(() => resolve({ kind: 'unanswered' }), expiresMs + settings.leaseMarginMs)
      waiting.set(consumer, resolve)
      try {
        const request = JSON.stringify({ batch: 1, expires: nanos(Math.ceil(expiresMs)) })
        nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, request, { reply: `${inbox}.${consumer}` })
        const pulled = await promise
        return pulled.kind === 'message' ? { ...pulled, since: Math.max(pulled.since, askedAt) } : pulled
      } finally {
        clearTimeout(timer)
        waiting.delete(consumer)
      }
    },
    get open() {
      return waiting.size
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

/** 408 is the end of the waiting; 503 and 409 say that the consumer is not or no longer there (before 2.10 often nothing does). */
function kindOf(code: number): 'empty' | 'unanswered' {
  return code === 408 || code === 404 ? 'empty' : 'unanswered'
}

/**
 * Knows a time at which this process was running and its socket empty. After a stall, timers fire before sockets are read:
 * a message that has waited there looks fresh, unless the tick before the last one counts.
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
