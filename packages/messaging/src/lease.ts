import { AppError } from '@lockstep/contracts'
import type { Msg } from '@nats-io/nats-core'
import type { Link } from './link.ts'

/** A job's right to act for its key. */
export interface Lease {
  /** Aborts when the lease is lost: the message is being given to another worker, or this one is shutting down. */
  readonly signal: AbortSignal
  /**
   * Asks the clock instead of a timer, which a blocked event loop holds back. Also false while this process can't know whether it
   * was taken for dead; the signal tells when it was.
   */
  isHeld(): boolean
}

/** A lease with the means to keep it and to end it; for the runner only. */
export interface OwnLease extends Lease, Disposable {
  /**
   * Ends the lease with a last word to the server; false when it was lost, and then nothing is sent. While this process can't know
   * whether the delivery is another's by now, the word waits; `answered` resolves when it was sent, or never will be.
   */
  answer(payload: string): boolean
  answered: Promise<unknown>
  /** Gives the lease up without a word. */
  lose(reason: string): void
}

/** The acknowledgements of JetStream's wire protocol. */
export const ack = '+ACK'
const working = '+WPI'

/** "Not now": the server gives the message out again after the delay, and holds the lane until then. */
export function nak(delayMs = 0): string {
  return delayMs > 0 ? `-NAK ${JSON.stringify({ delay: Math.round(delayMs * 1e6) })}` : '-NAK'
}

/**
 * Holds a delivered message by telling the server every `heartbeatMs` that work goes on. `since` is the latest time
 * (`performance.now()`) at which the server cannot have given it out yet.
 *
 * The server takes a late answer for a timely one and gives out the next message on it. So the lease counts from the sending
 * of the last sign that the server confirmed, and whoever lost it sends nothing more: no ack, no nak, no sign of liveness.
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
      this.answered = Promise.race([liveness!.certain().then(() => send(payload)), lostOf(lost.signal)])
      return true
    },
    [Symbol.dispose]: end,
  }
}

const lostOf = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
