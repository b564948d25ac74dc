import { setTimeout as delay } from 'node:timers/promises'
import type { SendContext } from './context.ts'
import type { SendRoute } from './queue.ts'

/** When a message may be written, in how many ms its person may be written to again, or that there was no turn in time. */
type Turn =
  | { kind: 'slot'; atMs: number; id: number }
  | { kind: 'pair'; waitMs: number }
  | { kind: 'none' }

/** The turns of messages that are ready to be written: their number's limit, and one message to a person in six seconds. */
export interface Turns {
  /** Waits in order until the limit has a slot for it, at most until `notAfterMs`. All times are of `performance.now()`. */
  take(address: string, notAfterMs: number): Promise<Turn>
  /** A slot in which certainly nothing was written, and whose message it was. */
  giveBack(slot: { id: number }, address: string): void
}

interface Waiting {
  address: string
  notAfterMs: number
  done(turn: Turn): void
}

const leastWaitMs = 10
/** So long is waited for Redis before it is asked again. */
const awayMs = 250

/** Books for all that wait in one call. When `stop` aborts, nobody waits any longer. */
export function createTurns(
  ctx: SendContext,
  route: SendRoute,
  stop: AbortSignal,
  onMoved: () => void,
): Turns {
  let waiting: Waiting[] = []
  let isBooking = false
  let unused: { id: number; address?: string }[] = []

  async function run(): Promise<void> {
    // All that become ready in this step of the event loop go together.
    await new Promise(setImmediate)
    while (waiting.length > 0) {
      const waitMs = await book().catch(() => awayMs * ctx.scale)
      onMoved()
      if (waiting.length === 0) break
      const soonest = waiting.reduce(
        (least, { notAfterMs }) => Math.min(least, notAfterMs),
        Number.POSITIVE_INFINITY,
      )
      const leftMs = Math.max(1, soonest - performance.now())
      await delay(Math.min(waitMs ?? 0, leftMs), undefined, { signal: stop }).catch(() => undefined)
      endOverdue()
    }
    isBooking = false
  }

  function endOverdue(): void {
    const now = performance.now()
    const isOver = ({ notAfterMs }: Waiting) => stop.aborted || now >= notAfterMs
    for (const one of waiting) if (isOver(one)) one.done({ kind: 'none' })
    waiting = waiting.filter((one) => !isOver(one))
  }

  /** Answers after how many ms there may be more, or null when there was enough. */
  async function book(): Promise<number | null> {
    const { connectionId, perMinute, perSecond } = route
    const want = { connectionId, perMinute, perSecond, class: route.class, count: waiting.length }
    returnUnused()
    const { slots, ids, retryAfterMs } = await ctx.limiter.takeSend(want)
    // A slot that its message can't use, for the person had one, is the next message's.
    while (slots.length > 0 && waiting.length > 0) {
      const some = waiting.splice(0, slots.length)
      const aheadMs = Math.max(0, slots.at(-1)! - performance.now())
      const addresses = some.map(({ address }) => address)
      const waits = await ctx.limiter.takePair(connectionId, addresses, aheadMs).catch((error) => {
        waiting.unshift(...some)
        for (const id of ids) note({ id })
        throw error
      })
      some.forEach(({ done }, i) => {
        const waitMs = waits[i]
        done(
          waitMs
            ? { kind: 'pair', waitMs }
            : { kind: 'slot', atMs: slots.shift()!, id: ids.shift()! },
        )
      })
    }
    for (const id of ids) note({ id })
    return retryAfterMs === null ? null : Math.max(retryAfterMs, leastWaitMs)
  }

  /** In order before the next booking. While Redis is away they stay used up. */
  function returnUnused(): void {
    if (unused.length === 0) return
    const ids = unused.map(({ id }) => id)
    const recipients = unused.flatMap(({ address }) => address ?? [])
    unused = []
    ctx.limiter.giveBack({ ...route, ids, recipients }).catch(() => undefined)
  }

  function note(slot: { id: number; address?: string }): void {
    if (unused.length === 0) setImmediate(returnUnused)
    unused.push(slot)
  }

  return {
    giveBack: ({ id }, address) => note({ id, address }),
    take: (address, notAfterMs) =>
      new Promise((done) => {
        waiting.push({ address, notAfterMs, done })
        if (isBooking) return
        isBooking = true
        void run()
      }),
  }
}
