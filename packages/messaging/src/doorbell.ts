import { type LaneName, wakeSubject } from '@lockstep/contracts'
import { injectTrace } from '@lockstep/telemetry'
import { headers, type MsgHdrs } from '@nats-io/nats-core'
import { openAnswers } from './doorbell-answers.ts'
import type { Link } from './link.ts'
import { counted } from './metrics.ts'

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
      if (link.isConnected())
        for (const bell of bells.values()) if (bell.isOwed) waiting.add(clearRest(bell))
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
