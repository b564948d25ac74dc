import { type LaneName, partitionSubject, wakeSubject } from '@lockstep/contracts'
import { injectTrace } from '@lockstep/telemetry'
import { createInbox, headers, type MsgHdrs } from '@nats-io/nats-core'
import type { Link } from './link.ts'
import { counted } from './metrics.ts'
import { bellAnswer } from './streams.ts'

interface Bell {
  lane: LaneName
  partition: number
  /** Rung since the last send. */
  isRung: boolean
  /** Rung since its doorbell was stored, when only its worker was told. */
  isOwed: boolean
  /** Its doorbell was stored a moment ago; another one follows at the end of this, if one is owed. */
  rest?: NodeJS.Timeout | undefined
  /** The trace of the first ring, if there is one: a message without headers is cheaper for all. */
  headers?: MsgHdrs | undefined
}

export interface Doorbells extends AsyncDisposable {
  ring(lane: LaneName, partition: number): void
  flush(): Promise<void>
}

/** A server that is there has answered within this. */
const answerMs = 5_000

/**
 * Rings partitions. Rings within `debounceMs` are sent together: one message tells the workers of a lane which partitions were
 * rung, and each partition gets a stored doorbell, unless it has got one within the last `restMs`: whoever took that one still
 * listens (`lingerMs`). A ring in that time is stored at the end of it, for who listened may be gone.
 */
export function openDoorbells(link: Link): Doorbells {
  const bells = new Map<string, Bell>()
  const waiting = new Set<Bell>()
  const answers = openAnswers(link)
  let timer: NodeJS.Timeout | undefined

  function ring(lane: LaneName, partition: number): void {
    const id = `${lane} ${partition}`
    let bell = bells.get(id)
    if (!bell) {
      bell = { lane, partition, isRung: false, isOwed: false }
      bells.set(id, bell)
    }
    if (bell.isRung) return
    bell.isRung = true
    waiting.add(bell)
    timer ??= setTimeout(send, link.settings.debounceMs)
    injectTrace((name, value) => {
      bell.headers ??= headers()
      bell.headers.set(name, value)
    })
  }

  function send(): void {
    clearTimeout(timer)
    timer = undefined
    if (!link.isConnected()) return // all stay until the connection is back; further rings join them
    const rung = Map.groupBy(waiting, (bell) => bell.lane)
    waiting.clear()
    for (const [lane, its] of rung) {
      for (const bell of its) {
        bell.isRung = false
        if (bell.rest) bell.isOwed = true
        else store(bell)
      }
      link.nc.publish(wakeSubject(lane), its.map((bell) => bell.partition).join(','))
    }
  }

  /** The doorbell goes out; the answer comes later, and nobody waits for it. */
  function store(bell: Bell): void {
    const { lane, partition } = bell
    answers.publish(lane, partition, bell.headers)
    bell.headers = undefined
    bell.isOwed = false
    bell.rest = setTimeout(() => endRest(bell), link.settings.restMs).unref()
  }

  function endRest(bell: Bell): void {
    bell.rest = undefined
    if (bell.isOwed && link.isConnected()) store(bell)
    else if (!bell.isRung && !bell.isOwed) bells.delete(`${bell.lane} ${bell.partition}`)
  }

  const reconnects = link.onReconnect(() => {
    for (const bell of bells.values()) {
      clearTimeout(bell.rest) // what was stored before may be lost
      bell.rest = undefined
      if (bell.isOwed) waiting.add(bell)
    }
    send()
  })

  async function flush(): Promise<void> {
    send()
    await answers.settled()
  }
  return {
    ring,
    flush,
    async [Symbol.asyncDispose]() {
      reconnects[Symbol.dispose]()
      if (link.isConnected()) for (const bell of bells.values()) if (bell.isOwed) waiting.add(clearRest(bell))
      await flush()
      for (const bell of bells.values()) clearTimeout(bell.rest)
      if (waiting.size > 0) for (const { lane } of waiting) counted.ringFailures(1, { lane })
      clearTimeout(timer)
      answers[Symbol.dispose]()
    },
  }
}

function clearRest(bell: Bell): Bell {
  clearTimeout(bell.rest)
  bell.rest = undefined
  return bell
}

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
function openAnswers(link: Link) {
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
      const answer = msg.headers?.code === 503 ? { error: 'nothing stores it' } : bellAnswer(msg.string())
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
      if (!failing) link.log.warn({ lane: bell.lane, reason }, 'doorbells fail; the sweeper rings again')
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

  function post(id: string, { lane, partition }: Pick<Sent, 'lane' | 'partition'>, hdrs?: MsgHdrs): void {
    if (link.nc.isClosed()) forget(id)
    else link.nc.publish(partitionSubject(lane, partition), '', { reply: `${inbox}.${id}`, ...(hdrs && { headers: hdrs }) })
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
      post(hold({ lane, partition, sentAt: performance.now(), isSecond: false }), { lane, partition }, hdrs)
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
