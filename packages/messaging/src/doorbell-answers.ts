import { type LaneName, partitionSubject } from '@lockstep/contracts'
import { createInbox, type MsgHdrs } from '@nats-io/nats-core'
import type { Link } from './link.ts'
import { counted } from './metrics.ts'
import { bellAnswer } from './streams.ts'

/** A server that is there has answered within this. */
const answerMs = 5_000

interface Sent {
  lane: LaneName
  partition: number
  sentAt: number
  isSecond: boolean
}

/**
 * Doorbells that were published, until the server says what became of each: over one inbox, without a promise for each. One
 * that nothing stores, because the stream is gone or full, is sent again once, after the streams were made from their table.
 */
export function openAnswers(link: Link) {
  const inbox = createInbox()
  const sent = new Map<string, Sent>()
  const waiters = new Set<() => void>()
  let next = 0
  let failing = false

  const subscription = link.nc.subscribe(`${inbox}.*`, {
    callback: (err, msg) => {
      if (err) return link.log.error({ err }, 'the subscription for doorbell answers failed')
      const id = msg.subject.slice(inbox.length + 1)
      const bell = sent.get(id)
      if (!bell) return
      const answer =
        msg.headers?.code === 503 ? { error: 'nothing stores it' } : bellAnswer(msg.string())
      if (typeof answer === 'string') {
        counted.rings(1, { lane: bell.lane })
        failing = false
      } else refused(bell, answer.error)
      forget(id)
    },
  })

  function forget(id: string): void {
    sent.delete(id)
    if (sent.size === 0) for (const done of waiters) done()
  }

  function refused(bell: Sent, reason: string): void {
    const failed = () => {
      counted.ringFailures(1, { lane: bell.lane })
      if (!failing)
        link.log.warn({ lane: bell.lane, reason }, 'doorbells fail; the sweeper rings again')
      failing = true // said once, not for each of thousands
    }
    if (bell.isSecond || !link.isConnected()) {
      failed()
      return
    }
    const id = hold({ ...bell, isSecond: true }) // waited for by `flush`, too
    link.repairStreams().then(
      () => post(id, bell),
      () => {
        failed()
        forget(id)
      },
    )
  }

  function hold(bell: Sent): string {
    const id = String(++next)
    sent.set(id, bell)
    return id
  }

  function post(
    id: string,
    { lane, partition }: Pick<Sent, 'lane' | 'partition'>,
    hdrs?: MsgHdrs,
  ): void {
    if (link.nc.isClosed()) forget(id)
    else
      link.nc.publish(partitionSubject(lane, partition), '', {
        reply: `${inbox}.${id}`,
        ...(hdrs && { headers: hdrs }),
      })
  }

  /** Whether the server had stored them when the connection broke is not known; a second doorbell does no harm. */
  const reconnects = link.onReconnect(() => {
    for (const [id, bell] of sent) {
      bell.sentAt = performance.now()
      post(id, bell)
    }
  })
  /** Answers that never come: the sweeper rings again. */
  const expiry = setInterval(() => {
    const before = performance.now() - answerMs
    for (const [id, bell] of sent) {
      if (bell.sentAt > before) break
      counted.ringFailures(1, { lane: bell.lane })
      forget(id)
    }
  }, 1_000).unref()

  return {
    publish(lane: LaneName, partition: number, hdrs: MsgHdrs | undefined): void {
      post(
        hold({ lane, partition, sentAt: performance.now(), isSecond: false }),
        { lane, partition },
        hdrs,
      )
    },
    async settled(): Promise<void> {
      if (sent.size === 0) return
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
