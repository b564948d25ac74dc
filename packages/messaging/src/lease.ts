import { AppError } from '@lockstep/contracts'
import type { Msg } from '@nats-io/nats-core'
import type { Link } from './link.ts'

/** A worker's right to a partition. */
export interface Lease {
  /** Aborts when another worker is given the message, or this one shuts down. */
  readonly signal: AbortSignal
  /** Asks the clock, not a timer. Also false while this process may be declared dead. */
  isHeld(): boolean
}

/** A lease with the means to keep it and to end it; for the runner only. */
export interface OwnLease extends Lease, Disposable {
  /**
   * Ends the lease with an answer; false when it was lost, and then nothing is sent. While in doubt
   * the answer waits: `answered` resolves when it was sent or never will be.
   */
  answer(payload: string): boolean
  answered: Promise<unknown>
  /** Gives the lease up without a word. */
  lose(reason: string): void
}

/** The acknowledgements of JetStream's wire protocol. */
export const ack = '+ACK'
const working = '+WPI'

/** The server redelivers after the delay, and holds the partition until then. */
export function nak(delayMs = 0): string {
  return delayMs > 0 ? `-NAK ${JSON.stringify({ delay: Math.round(delayMs * 1e6) })}` : '-NAK'
}

/**
 * Keeps a delivered message by a sign of life every `heartbeatMs`. It counts from the last
 * confirmed sign, for the server takes a late answer for one about the next message.
 */
export function holdLease(
  { nc, settings, liveness, isConnected }: Link,
  msg: Msg,
  since: number,
): OwnLease {
  const holdMs = settings.ackWaitMs - settings.leaseMarginMs
  const lost = new AbortController()
  let heldSince = since
  let ended = false

  const isCertain = () => !liveness || liveness.certainForMs() > 0
  const isOpen = () => {
    if (!ended && performance.now() - heldSince >= holdMs)
      lose('no sign of life reached the server in time')
    return !ended
  }
  const lose = (reason: string) => {
    if (ended) return
    end()
    lost.abort(new AppError('busy', `lease lost: ${reason}`))
  }
  const end = () => {
    ended = true
    clearInterval(heartbeat)
    clearTimeout(deadline)
    death?.[Symbol.dispose]()
    liveness?.removeDelivery(msg.reply!)
  }
  const renew = async () => {
    if (!isCertain()) await liveness!.certain()
    const sentAt = performance.now()
    if (!isOpen()) return
    await nc.request(msg.reply!, working, { timeout: settings.heartbeatMs })
    heldSince = Math.max(heldSince, sentAt)
  }
  const watch = (): NodeJS.Timeout => {
    const left = heldSince + holdMs - performance.now()
    return setTimeout(() => {
      if (isOpen()) deadline = watch()
    }, left)
  }
  const heartbeat = setInterval(() => renew().catch(() => undefined), settings.heartbeatMs) // one unconfirmed sign is no loss yet
  let deadline = watch()
  const death = liveness?.onLost(lose)
  liveness?.addDelivery(msg.reply!)
  const send = (payload: string) => {
    if (!isOpen() || !isConnected()) return false
    end()
    return msg.respond(payload)
  }

  return {
    signal: lost.signal,
    isHeld: () => isOpen() && isCertain(),
    lose,
    answered: Promise.resolve(),
    answer(payload) {
      if (isCertain()) return send(payload)
      if (!isOpen()) return false
      this.answered = Promise.race([
        liveness!.certain().then(() => send(payload)),
        lostOf(lost.signal),
      ])
      return true
    },
    [Symbol.dispose]: end,
  }
}

const lostOf = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
