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
  /** The trace of the first ring, if there is one: a message without headers is cheaper for all. */
  headers?: MsgHdrs
  /** Undefined while the bell waits for the connection to come back. */
  timer?: NodeJS.Timeout
}

export interface Doorbells extends AsyncDisposable {
  ring(lane: LaneName, key: string): void
  flush(): Promise<void>
}

/** Rings lanes: one stored message and one wake-up for all rings of a key within `debounceMs`. */
export function openDoorbells(link: Link): Doorbells {
  const js = jetstream(link.nc)
  const waiting = new Map<string, Bell>()
  const sending = new Set<Promise<void>>()
  let failing = false

  async function send({ lane, key, headers }: Bell): Promise<void> {
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
  function release(id: string, bell: Bell): void {
    clearTimeout(bell.timer)
    bell.timer = undefined
    if (!link.isConnected()) return // stays until the connection is back; further rings of the key join it
    waiting.delete(id)
    const sent = send(bell).finally(() => sending.delete(sent))
    sending.add(sent)
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
      if (waiting.has(id)) return
      if (!laneKeyPattern.test(key) || waiting.size + sending.size >= maxPending) return counted.ringFailures(1, { lane })
      const bell: Bell = { lane, key }
      injectTrace((name, value) => {
        bell.headers ??= headers()
        bell.headers.set(name, value)
      })
      bell.timer = setTimeout(() => release(id, bell), link.settings.debounceMs)
      waiting.set(id, bell)
    },
    flush,
    async [Symbol.asyncDispose]() {
      reconnects[Symbol.dispose]()
      await flush()
      for (const { lane } of waiting.values()) counted.ringFailures(1, { lane })
      waiting.clear()
    },
  }
}
