import { setTimeout as delay } from 'node:timers/promises'
import { createBookings } from './bookings.ts'
import type { SendContext } from './context.ts'
import { dispatch, type Slice } from './dispatch.ts'
import type { Flight, Phase } from './in-flight.ts'
import { createOutcomeWriter } from './outcome-writer.ts'
import type { ClaimedMessage, SendQueue, SendRoute } from './queue.ts'
import { type Cause, countWaits, type Wait, type Waits } from './waits.ts'

/** How a slice ended. */
export interface SliceEnd {
  /**
   * `empty`: nobody is queued or under way; `stopped`: the owner is; `more`: there is more to do in
   * `afterMs`.
   */
  kind: 'empty' | 'stopped' | 'more'
  afterMs: number
  /** What it waited for, most of its time; null when it went on. */
  wait: Wait | null
  /** What could not be asked, if that was why it ended. */
  error?: unknown
}

export interface SliceOptions {
  /** How long it sends, ms. */
  sliceMs: number
  /** A claimed message is begun within this time, or goes back into its queue, ms. */
  claimLifeMs: number
  /** Aborts when the owner's lock or lane is lost: what has no slot yet is queued again. */
  signal: AbortSignal
}

/** Messages claimed in one statement, at most. */
const maxClaim = 200
/**
 * Messages that wait for the answer of contacts, at most: further ones are claimed when it has
 * come.
 */
const maxChecking = 2 * maxClaim
/** So long is waited before it is tried again whether Meta can be reached. */
const unreachedMs = 1_000
/** How soon to look again while nothing is queued and messages are still under way somewhere. */
const lookAgainMs = 250
/** How long a slice waits at its end for messages under way; slower ones finish on their own. */
const sliceGraceMs = 500
/** While others are under way a smaller set is not worth its statements. */
const leastClaim = 32

/**
 * Sends an owner's messages for a while; while one set is on its way the next is claimed. One slice
 * an owner at a time.
 */
export async function sendSlice<Message extends ClaimedMessage>(
  ctx: SendContext,
  queue: SendQueue<Message>,
  route: SendRoute,
  options: SliceOptions,
): Promise<SliceEnd> {
  const flight = ctx.inFlight.flight(queue.accountId, queue.owner.id)
  const bookings = createBookings(ctx, route, flight.stop.signal, flight.changed)
  const stop = () => flight.stop.abort()
  const slice: Slice<Message> = {
    queue,
    route,
    flight,
    bookings,
    writer: createOutcomeWriter(ctx, queue, stop),
  }
  options.signal.addEventListener('abort', stop, { once: true })
  try {
    const end = await sendUntilSliceEnds(ctx, slice, options)
    if (end.kind === 'stopped') stop()
    return end
  } finally {
    if (options.signal.aborted) stop()
    await Promise.race([flight.all(), delay(sliceGraceMs * ctx.scale)])
    options.signal.removeEventListener('abort', stop)
  }
}

/**
 * What to do next: go on, wait because of `cause`, or end. `untilMoved`: the wait is over as soon
 * as messages have moved on.
 */
type Step =
  | { do: 'go on' }
  | { do: 'wait'; forMs: number; cause: Cause; untilMoved?: boolean }
  | { do: 'end'; kind: 'empty' | 'stopped' }

async function sendUntilSliceEnds<Message extends ClaimedMessage>(
  ctx: SendContext,
  slice: Slice<Message>,
  { sliceMs, claimLifeMs, signal }: SliceOptions,
): Promise<SliceEnd> {
  const endAt = performance.now() + sliceMs
  const waits = countWaits()
  const known = { ready: 0 }
  const more = (afterMs: number): SliceEnd => ({
    kind: 'more',
    afterMs,
    wait: waits.most(slice.route, slice.flight),
  })
  const isOver = () =>
    signal.aborted || slice.flight.stop.signal.aborted || performance.now() >= endAt
  while (!isOver()) {
    if (slice.checkError !== undefined) return { ...more(0), error: slice.checkError }
    let step: Step
    try {
      step = await nextStep(ctx, slice, known, waits, claimLifeMs)
    } catch (error) {
      return signal.aborted ? more(0) : { ...more(0), error }
    }
    if (step.do === 'end') return { kind: step.kind, afterMs: 0, wait: null }
    if (step.do === 'go on') continue
    const leftMs = Math.max(1, endAt - performance.now())
    if (step.forMs > leftMs) {
      waits.add(step.cause, leftMs)
      return more(step.forMs)
    }
    const over = delay(Math.min(step.forMs, leftMs))
    await waits.during(
      step.cause,
      step.untilMoved ? Promise.race([slice.flight.next(), over]) : over,
    )
  }
  return more(0)
}

async function nextStep<Message extends ClaimedMessage>(
  ctx: SendContext,
  slice: Slice<Message>,
  known: { ready: number },
  waits: Waits,
  claimLifeMs: number,
): Promise<Step> {
  const { queue, route, flight } = slice
  const room = ctx.inFlight.room(queue.accountId, queue.owner.id)
  const isFull = room === 0 || (room < leastClaim && flight.size > 0)
  const lookAgain = {
    do: 'wait',
    forMs: lookAgainMs * ctx.scale,
    cause: causeOf(flight),
    untilMoved: true,
  } as const
  if (isFull || flight.in.checking >= maxChecking) return lookAgain
  if (known.ready === 0) {
    const state = await waits.during('database', queue.state())
    if (state.kind === 'stopped') return { do: 'end', kind: 'stopped' }
    known.ready = state.ready
    if (state.ready === 0 && state.nextMs !== null)
      return { do: 'wait', forMs: Math.max(state.nextMs, 10), cause: 'none' }
    if (state.ready === 0) return state.underWay ? lookAgain : { do: 'end', kind: 'empty' }
  }
  const unbooked = flight.in.checking + flight.in.opening + flight.in.booking
  const { connectionId, perMinute, perSecond } = route
  const wanted = Math.min(known.ready, room, maxClaim)
  const want = { connectionId, perMinute, perSecond, class: route.class, count: wanted + unbooked }
  const soon = await ctx.limiter.lookSend(want)
  const count = soon.count - unbooked
  if (count <= 0)
    return {
      do: 'wait',
      forMs: Math.max(soon.retryAfterMs ?? 0, 10),
      cause: unbooked > 0 ? causeOf(flight) : 'limit',
    }
  const socket = await ctx.graph.open(flight.stop.signal).catch(() => null)
  if (!socket) return { do: 'wait', forMs: unreachedMs * ctx.scale, cause: 'opening' }
  socket.release()
  // The life of a claim begins before the statement that dates it.
  const notAfterMs = performance.now() + claimLifeMs
  const claimed = await waits.during('database', queue.claim(count))
  // Fewer than were asked for: somebody else has taken them, or the owner was stopped.
  known.ready = claimed.length < count ? 0 : known.ready - claimed.length
  if (claimed.length > 0) dispatch(ctx, slice, claimed, notAfterMs)
  return { do: 'go on' }
}

/** The phase in which most messages stand. */
function causeOf({ in: counts }: Flight): Cause {
  const [phase, count] = Object.entries(counts).sort(([, a], [, b]) => b - a)[0]!
  return count > 0 ? (phase as Phase) : 'none'
}
