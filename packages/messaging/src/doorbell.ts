import { type LaneName, laneKeyPattern, lanes, wakeSubject } from '@lockstep/contracts'
import { injectTrace } from '@lockstep/telemetry'
import { jetstream } from '@nats-io/jetstream'
import { headers, type MsgHdrs } from '@nats-io/nats-core'
import type { Link } from './link.ts'
import { counted } from './metrics.ts'

/** More keys than this at once are left to the sweeper. */
const maxPending = 10_000

interface Bell {
  lane: LaneName
  key: string
  /** Rings that the next message stands for; none while the bell of a busy key only rests. */
  rings: number
  /** The trace of the first of them, if there is one: a message without headers is cheaper for all. */
  headers?: MsgHdrs | undefined
  /** Undefined while the bell waits for the connection to come back. */
  timer?: NodeJS.Timeout | undefined
  /** It was sent a moment ago, and for several rings: the key is busy. */
  isResting: boolean
}

export interface Doorbells extends AsyncDisposable {
  ring(lane: LaneName, key: string): void
  flush(): Promise<void>
}

/**
 * Rings lanes: one stored message and one wake-up for all rings of a key within `debounceMs`. Where that were several the key
 * is busy: its bell then rests for `busyDebounceMs`, and what is rung meanwhile is one message at the end of it. Its worker
 * takes what is there until nothing is left, so that more bells would only cost both sides (docs/decisions/0008).
 */
export function openDoorbells(link: Link): Doorbells {
  const js = jetstream(link.nc)
  const waiting = new Map<string, Bell>()
  const sending = new Set<Promise<void>>()
  let failing = false

  async function send({ lane, key, headers }: Pick<Bell, 'lane' | 'key' | 'headers'>): Promise<void> {
    const subject = lanes[lane].subject(key)
    const publish = () => js.publish(subject, '', { headers })
    try {
      await publish().catch(async (err) => {
        if (!link.isConnected()) throw err
        await link.repairStreams() // the usual reason: the store was deleted
        await publish()
      })
      link.nc.publish(wakeSubject(lane), key)
      counted.rings(1, { lane })
      failing = false
    } catch (err) {
      counted.ringFailures(1, { lane })
      if (!failing) link.log.warn({ err, lane, key }, 'doorbells fail; the sweeper rings again')
      failing = true // said once, not for each of thousands of keys
    }
  }
  /** Undefined when it can't hang: the key is none, or too many wait. */
  function hang(id: string, lane: LaneName, key: string): Bell | undefined {
    if (!laneKeyPattern.test(key) || waiting.size + sending.size >= maxPending) return void counted.ringFailures(1, { lane })
    const bell: Bell = { lane, key, rings: 0, isResting: false }
    bell.timer = setTimeout(() => release(id, bell), link.settings.debounceMs)
    waiting.set(id, bell)
    return bell
  }
  function release(id: string, bell: Bell): void {
    clearTimeout(bell.timer)
    bell.timer = undefined
    if (bell.rings === 0) return void waiting.delete(id)
    if (!link.isConnected()) return // stays until the connection is back; further rings of the key join it
    const sent = send({ ...bell }).finally(() => sending.delete(sent))
    sending.add(sent)
    bell.isResting = bell.isResting || bell.rings > 1
    bell.rings = 0
    bell.headers = undefined
    if (bell.isResting) bell.timer = setTimeout(() => release(id, bell), link.settings.busyDebounceMs)
    else waiting.delete(id)
  }
  const releaseAll = () => {
    for (const [id, bell] of waiting) release(id, bell)
  }
  const reconnects = link.onReconnect(releaseAll)

  async function flush(): Promise<void> {
    releaseAll()
    await Promise.all(sending)
  }
  return {
    ring(lane, key) {
      const id = `${lane} ${key}`
      const bell = waiting.get(id) ?? hang(id, lane, key)
      if (!bell || bell.rings++ > 0) return
      injectTrace((name, value) => {
        bell.headers ??= headers()
        bell.headers.set(name, value)
      })
    },
    flush,
    async [Symbol.asyncDispose]() {
      reconnects[Symbol.dispose]()
      await flush()
      for (const { lane, rings, timer } of waiting.values()) {
        clearTimeout(timer)
        if (rings > 0) counted.ringFailures(1, { lane })
      }
      waiting.clear()
    },
  }
}
