import { type LaneName, partitionSubject } from '@lockstep/contracts'
import { createInbox, type Msg, type MsgHdrs, type Subscription } from '@nats-io/nats-core'
import type { Link } from './link.ts'
import { counted } from './metrics.ts'
import { wakeUpAck } from './streams.ts'

/** A server that is there has answered within this. */
const answerMs = 5_000

interface PendingAck {
  lane: LaneName
  partition: number
  sentAt: number
  isSecond: boolean
}

/**
 * Publishes stored wake-ups and reads the server's answers over one inbox. One that nothing stores,
 * because the stream is gone or full, is sent once more after the streams were made from their
 * table.
 */
export function openWakeUpAcks(link: Link): WakeUpAcks {
  return new WakeUpAcks(link)
}

class WakeUpAcks implements Disposable {
  readonly #link: Link
  readonly #inbox = createInbox()
  readonly #pending = new Map<string, PendingAck>()
  readonly #waiters = new Set<() => void>()
  readonly #subscription: Subscription
  readonly #reconnects: Disposable
  readonly #expiry: NodeJS.Timeout
  #lastId = 0
  #isFailing = false

  constructor(link: Link) {
    this.#link = link
    this.#subscription = link.nc.subscribe(`${this.#inbox}.*`, {
      callback: (err, msg) => {
        if (err) link.log.error({ err }, 'the subscription for answers to wake-ups failed')
        else this.#read(msg)
      },
    })
    this.#reconnects = link.onReconnect(() => this.#postAgain())
    this.#expiry = setInterval(() => this.#expire(), 1_000).unref()
  }

  publish(lane: LaneName, partition: number, hdrs: MsgHdrs | undefined): void {
    const id = this.#add({ lane, partition, sentAt: performance.now(), isSecond: false })
    this.#post(id, { lane, partition }, hdrs)
  }

  /** Resolves when the server has answered for all that were published. */
  async complete(): Promise<void> {
    if (this.#pending.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiters.add(resolve)
    await promise
    this.#waiters.delete(resolve)
  }

  [Symbol.dispose](): void {
    this.#reconnects[Symbol.dispose]()
    clearInterval(this.#expiry)
    this.#subscription.unsubscribe()
  }

  #read(msg: Msg): void {
    const id = msg.subject.slice(this.#inbox.length + 1)
    const wakeUp = this.#pending.get(id)
    if (!wakeUp) return
    const isUnstored = msg.headers?.code === 503
    const answer = isUnstored ? { error: 'nothing stores it' } : wakeUpAck(msg.string())
    if (typeof answer === 'string') {
      counted.wakeUps(1, { lane: wakeUp.lane })
      this.#isFailing = false
    } else this.#refused(wakeUp, answer.error)
    this.#forget(id)
  }

  #refused(wakeUp: PendingAck, reason: string): void {
    if (wakeUp.isSecond || !this.#link.isConnected()) {
      this.#failed(wakeUp, reason)
      return
    }
    const id = this.#add({ ...wakeUp, isSecond: true }) // `complete` waits for it, too
    this.#link.repairStreams().then(
      () => this.#post(id, wakeUp),
      () => {
        this.#failed(wakeUp, reason)
        this.#forget(id)
      },
    )
  }

  #failed({ lane }: PendingAck, reason: string): void {
    counted.wakeUpFailures(1, { lane })
    if (!this.#isFailing)
      this.#link.log.warn({ lane, reason }, 'wake-ups fail; the sweeper sends them again')
    this.#isFailing = true // said once, not for each of thousands
  }

  #add(wakeUp: PendingAck): string {
    const id = String(++this.#lastId)
    this.#pending.set(id, wakeUp)
    return id
  }

  #forget(id: string): void {
    this.#pending.delete(id)
    if (this.#pending.size === 0) for (const done of this.#waiters) done()
  }

  #post(
    id: string,
    { lane, partition }: Pick<PendingAck, 'lane' | 'partition'>,
    hdrs?: MsgHdrs,
  ): void {
    if (this.#link.nc.isClosed()) {
      this.#forget(id)
      return
    }
    const reply = `${this.#inbox}.${id}`
    this.#link.nc.publish(partitionSubject(lane, partition), '', {
      reply,
      ...(hdrs && { headers: hdrs }),
    })
  }

  /** Whether the server had stored them is not known; a second wake-up does no harm. */
  #postAgain(): void {
    for (const [id, wakeUp] of this.#pending) {
      wakeUp.sentAt = performance.now()
      this.#post(id, wakeUp)
    }
  }

  /** Answers that never come: the sweeper wakes again. */
  #expire(): void {
    const before = performance.now() - answerMs
    for (const [id, { lane, sentAt }] of this.#pending) {
      if (sentAt > before) break
      counted.wakeUpFailures(1, { lane })
      this.#forget(id)
    }
  }
}
