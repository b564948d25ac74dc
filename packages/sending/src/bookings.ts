import { setTimeout as delay } from 'node:timers/promises'
import type { SendContext } from './context.ts'
import type { SendRoute } from './queue.ts'

/**
 * A slot to write in, in how many ms the person may be written to again, or that none came in
 * time.
 */
type Booking =
  | { kind: 'slot'; atMs: number; id: number }
  | { kind: 'pair'; waitMs: number }
  | { kind: 'none' }

/** Books slots under a number's limit, and one message to a person in six seconds. */
export interface Bookings {
  /**
   * Waits in order for a slot, at most until `notAfterMs`; all times are of `performance.now()`.
   */
  book(address: string, notAfterMs: number): Promise<Booking>
  /** A slot in which certainly nothing was written, and whose message it was. */
  giveBack(slot: { id: number }, address: string): void
}

interface WaitingMessage {
  address: string
  notAfterMs: number
  done(booking: Booking): void
}

interface UnusedSlot {
  id: number
  address?: string
}

const leastWaitMs = 10
/** How soon Redis is asked again while it is away. */
const awayMs = 250

/** Books for all that wait in one call. When `stop` aborts, nobody waits any longer. */
export function createBookings(
  ctx: SendContext,
  route: SendRoute,
  stop: AbortSignal,
  onMoved: () => void,
): Bookings {
  return new LimiterBookings(ctx, route, stop, onMoved)
}

class LimiterBookings implements Bookings {
  readonly #ctx: SendContext
  readonly #route: SendRoute
  readonly #stop: AbortSignal
  readonly #onMoved: () => void
  #waiting: WaitingMessage[] = []
  #unused: UnusedSlot[] = []
  #isBooking = false

  constructor(ctx: SendContext, route: SendRoute, stop: AbortSignal, onMoved: () => void) {
    this.#ctx = ctx
    this.#route = route
    this.#stop = stop
    this.#onMoved = onMoved
  }

  book(address: string, notAfterMs: number): Promise<Booking> {
    return new Promise((done) => {
      this.#waiting.push({ address, notAfterMs, done })
      if (this.#isBooking) return
      this.#isBooking = true
      void this.#run()
    })
  }

  giveBack({ id }: { id: number }, address: string): void {
    this.#keepUnused({ id, address })
  }

  async #run(): Promise<void> {
    // All that become ready in this step of the event loop go together.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      const waitMs = await this.#bookWaiting().catch(() => awayMs * this.#ctx.scale)
      this.#onMoved()
      if (this.#waiting.length === 0) break
      const soonest = Math.min(...this.#waiting.map(({ notAfterMs }) => notAfterMs))
      const leftMs = Math.max(1, soonest - performance.now())
      const forMs = Math.min(waitMs ?? 0, leftMs)
      await delay(forMs, undefined, { signal: this.#stop }).catch(() => undefined)
      this.#endOverdue()
    }
    this.#isBooking = false
  }

  #endOverdue(): void {
    const now = performance.now()
    const isOver = ({ notAfterMs }: WaitingMessage) => this.#stop.aborted || now >= notAfterMs
    for (const message of this.#waiting) if (isOver(message)) message.done({ kind: 'none' })
    this.#waiting = this.#waiting.filter((message) => !isOver(message))
  }

  /** Answers after how many ms there may be more, or null when there was enough. */
  async #bookWaiting(): Promise<number | null> {
    const { connectionId, perMinute, perSecond, class: sendClass } = this.#route
    this.#returnUnused()
    const { slots, ids, retryAfterMs } = await this.#ctx.limiter.takeSend({
      connectionId,
      perMinute,
      perSecond,
      class: sendClass,
      count: this.#waiting.length,
    })
    while (slots.length > 0 && this.#waiting.length > 0) await this.#assign(slots, ids)
    for (const id of ids) this.#keepUnused({ id })
    return retryAfterMs === null ? null : Math.max(retryAfterMs, leastWaitMs)
  }

  /**
   * Gives slots to those who wait longest; one that its message can't use, for the person had one,
   * stays for the next.
   */
  async #assign(slots: number[], ids: number[]): Promise<void> {
    const { limiter } = this.#ctx
    const first = this.#waiting.splice(0, slots.length)
    const aheadMs = Math.max(0, slots.at(-1)! - performance.now())
    const addresses = first.map(({ address }) => address)
    const waits = await limiter
      .takePair(this.#route.connectionId, addresses, aheadMs)
      .catch((error) => {
        this.#waiting.unshift(...first)
        for (const id of ids) this.#keepUnused({ id })
        throw error
      })
    first.forEach(({ done }, i) => {
      const waitMs = waits[i]
      done(
        waitMs
          ? { kind: 'pair', waitMs }
          : { kind: 'slot', atMs: slots.shift()!, id: ids.shift()! },
      )
    })
  }

  #keepUnused(slot: UnusedSlot): void {
    if (this.#unused.length === 0) setImmediate(() => this.#returnUnused())
    this.#unused.push(slot)
  }

  /** In order before the next booking. While Redis is away they stay used up. */
  #returnUnused(): void {
    if (this.#unused.length === 0) return
    const ids = this.#unused.map(({ id }) => id)
    const recipients = this.#unused.flatMap(({ address }) => address ?? [])
    this.#unused = []
    this.#ctx.limiter.giveBack({ ...this.#route, ids, recipients }).catch(() => undefined)
  }
}
