import { type LaneName, partitionSubject } from '@lockstep/contracts'
import { createInbox, type MsgHdrs } from '@nats-io/nats-core'
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
export function openWakeUpAcks(link: Link) {
  const inbox = createInbox()
  const pending = new Map<string, PendingAck>()
  const waiters = new Set<() => void>()
  let next = 0
  let isFailing = false

  const subscription = link.nc.subscribe(`${inbox}.*`, {
    callback: (err, msg) => {
      if (err) return link.log.error({ err }, 'the subscription for answers to wake-ups failed')
      const id = msg.subject.slice(inbox.length + 1)
      const wakeUp = pending.get(id)
      if (!wakeUp) return
      const isUnstored = msg.headers?.code === 503
      const answer = isUnstored ? { error: 'nothing stores it' } : wakeUpAck(msg.string())
      if (typeof answer === 'string') {
        counted.wakeUps(1, { lane: wakeUp.lane })
        isFailing = false
      } else refused(wakeUp, answer.error)
      forget(id)
    },
  })

  function forget(id: string): void {
    pending.delete(id)
    if (pending.size === 0) for (const done of waiters) done()
  }

  function refused(wakeUp: PendingAck, reason: string): void {
    const { lane } = wakeUp
    const failed = () => {
      counted.wakeUpFailures(1, { lane })
      if (!isFailing) link.log.warn({ lane, reason }, 'wake-ups fail; the sweeper sends them again')
      isFailing = true // said once, not for each of thousands
    }
    if (wakeUp.isSecond || !link.isConnected()) {
      failed()
      return
    }
    const id = add({ ...wakeUp, isSecond: true }) // `complete` waits for it, too
    link.repairStreams().then(
      () => post(id, wakeUp),
      () => {
        failed()
        forget(id)
      },
    )
  }

  function add(wakeUp: PendingAck): string {
    const id = String(++next)
    pending.set(id, wakeUp)
    return id
  }

  function post(
    id: string,
    { lane, partition }: Pick<PendingAck, 'lane' | 'partition'>,
    hdrs?: MsgHdrs,
  ): void {
    if (link.nc.isClosed()) {
      forget(id)
      return
    }
    const reply = `${inbox}.${id}`
    link.nc.publish(partitionSubject(lane, partition), '', {
      reply,
      ...(hdrs && { headers: hdrs }),
    })
  }

  /** Whether the server had stored them is not known; a second wake-up does no harm. */
  const reconnects = link.onReconnect(() => {
    for (const [id, wakeUp] of pending) {
      wakeUp.sentAt = performance.now()
      post(id, wakeUp)
    }
  })
  /** Answers that never come: the sweeper wakes again. */
  const expiry = setInterval(() => {
    const before = performance.now() - answerMs
    for (const [id, { lane, sentAt }] of pending) {
      if (sentAt > before) break
      counted.wakeUpFailures(1, { lane })
      forget(id)
    }
  }, 1_000).unref()

  return {
    publish(lane: LaneName, partition: number, hdrs: MsgHdrs | undefined): void {
      const id = add({ lane, partition, sentAt: performance.now(), isSecond: false })
      post(id, { lane, partition }, hdrs)
    },
    /** Resolves when the server has answered for all that were published. */
    async complete(): Promise<void> {
      if (pending.size === 0) return
      const { promise, resolve } = Promise.withResolvers<void>()
      waiters.add(resolve)
      await promise
      waiters.delete(resolve)
    },
    [Symbol.dispose]() {
      reconnects[Symbol.dispose]()
      clearInterval(expiry)
      subscription.unsubscribe()
    },
  }
}
