import { setTimeout as delay } from 'node:timers/promises'
import { AppError, sendLimits, slotGraceMs } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'
import type { Addressee, SendOutcome, Socket } from '@lockstep/whatsapp'
import type { OutcomeChange } from './attempt.ts'
import type { Bookings } from './bookings.ts'
import { type CheckResult, checkMessages } from './check.ts'
import type { SendContext } from './context.ts'
import type { Flight, Phase } from './in-flight.ts'
import { changeOf, identityUpdateOf } from './outcome-change.ts'
import type { OutcomeWriter } from './outcome-writer.ts'
import type { ClaimedMessage, MessageOutcome, SendQueue, SendRoute } from './queue.ts'

/** What the messages of a slice have in common. */
export interface Slice<Message extends ClaimedMessage = ClaimedMessage> {
  queue: SendQueue<Message>
  route: SendRoute
  flight: Flight
  bookings: Bookings
  writer: OutcomeWriter
  /** What made a check impossible, of the last group for which it was. */
  checkError?: unknown
}

const missedSlots = counter(
  'lockstep_send_slots_missed',
  'Slots of messages that were not begun in time; each took another slot',
)
const givenBack = counter(
  'lockstep_send_given_back',
  'Claimed messages that went back into their queue before a byte was written, by why',
)

/** Why a claimed message goes back, as people read it. */
const backReasons = {
  unchecked: 'it could not be checked in time',
  pair: `written to within the last ${sendLimits.pair.perMs / 1_000} seconds`,
  /** Its slice was stopped. */
  stopped: 'its turn had not come',
  /** Its claim was over: this process got no slot, or was too slow for those that it got. */
  overdue: 'its turn had not come',
}

/** How soon what could not be checked is claimed again. */
const uncheckedDelayMs = 2_000

/**
 * Checks claimed messages, then sends each; what has not begun by `notAfterMs` (of
 * `performance.now()`) is queued again.
 */
export function dispatch<Message extends ClaimedMessage>(
  ctx: SendContext,
  slice: Slice<Message>,
  claimed: Message[],
  notAfterMs: number,
): void {
  const { queue, route, flight } = slice
  const timeout = AbortSignal.timeout(Math.max(1, Math.ceil(notAfterMs - performance.now())))
  const signal = AbortSignal.any([flight.stop.signal, timeout])
  const checks = checkMessages(ctx, queue, route, claimed, signal)
  checks.then(flight.changed, (error) => {
    slice.checkError = error
    flight.changed()
  })
  claimed.forEach((message, i) => {
    const delivery = new Dispatch(ctx, slice, message, notAfterMs)
    flight.add(delivery.run(checks.then((all) => all[i]!)))
  })
}

/** One claimed message on its way. */
class Dispatch<Message extends ClaimedMessage> {
  readonly #ctx: SendContext
  readonly #slice: Slice<Message>
  readonly #message: Message
  readonly #notAfterMs: number
  #phase: Phase | undefined
  #since = 0

  constructor(ctx: SendContext, slice: Slice<Message>, message: Message, notAfterMs: number) {
    this.#ctx = ctx
    this.#slice = slice
    this.#message = message
    this.#notAfterMs = notAfterMs
  }

  /** Resolves when its outcome is committed; never rejects. */
  async run(check: Promise<CheckResult>): Promise<void> {
    this.#enter('checking')
    let outcome: MessageOutcome
    try {
      const checked = await check.catch(() => null)
      if (!checked) outcome = this.#back('unchecked', uncheckedDelayMs * this.#ctx.scale)
      else if ('decision' in checked) outcome = this.#outcome(checked.decision)
      else outcome = await this.#send(checked.to)
    } catch (error) {
      // Before a byte was written: the call itself answers with an outcome whatever happens to it.
      if (!(error instanceof AppError))
        this.#ctx.log.error(
          { err: error, owner: this.#slice.queue.owner.id },
          'A message could not be built',
        )
      outcome = this.#outcome({
        kind: 'rejected',
        code: null,
        reason: error instanceof AppError ? error.message : 'it could not be built',
      })
    }
    this.#enter(undefined)
    await this.#slice.writer.write(outcome)
  }

  async #send(to: Addressee): Promise<MessageOutcome> {
    const { queue, route, flight } = this.#slice
    const { attemptId } = this.#message
    const { phoneNumberId } = route
    const token = this.#ctx.tokens.issue({
      kind: queue.owner.kind,
      ownerId: queue.owner.id,
      attemptId,
      phoneNumberId,
    })
    const body = queue.compose(this.#message, to, token)
    this.#enter('opening')
    let socket: Socket
    try {
      socket = await this.#ctx.graph.open(flight.stop.signal)
    } catch (error) {
      if (flight.stop.signal.aborted) return this.#back('stopped')
      return this.#outcome(changeOf(this.#unreached(error), this.#message.number, this.#ctx.now()))
    }
    try {
      return await this.#write(socket, to, body)
    } finally {
      socket.release()
    }
  }

  /** Books until a slot is used in time. */
  async #write(socket: Socket, to: Addressee, body: object): Promise<MessageOutcome> {
    const { route, bookings, flight } = this.#slice
    const address = 'phone' in to ? to.phone : to.userId
    for (;;) {
      this.#enter('booking')
      const booking = await bookings.book(address, this.#notAfterMs)
      if (booking.kind === 'none') return this.#notBegun()
      if (booking.kind === 'pair') return this.#back('pair', booking.waitMs)
      this.#enter('waiting')
      const waitMs = booking.atMs - performance.now()
      if (waitMs > 1) await delay(waitMs)
      if (flight.stop.signal.aborted || performance.now() >= this.#notAfterMs) {
        bookings.giveBack(booking, address)
        return this.#notBegun()
      }
      this.#enter('posting')
      const { phoneNumberId, access } = route
      const notAfterMs = booking.atMs + slotGraceMs
      const outcome = await this.#ctx.graph.sendMessage({
        phoneNumberId,
        ...access,
        body,
        socket,
        notAfterMs,
      })
      if (outcome.kind === 'notSent') bookings.giveBack(booking, address)
      if (outcome.kind !== 'notSent' || !outcome.isLate) return this.#answered(outcome, to)
      missedSlots(1)
    }
  }

  async #answered(outcome: SendOutcome, to: Addressee): Promise<MessageOutcome> {
    const { connectionId } = this.#slice.route
    if (outcome.kind === 'throttled' && outcome.scope !== 'recipient')
      await this.#ctx.limiter.reportThrottled(connectionId, outcome.retryAfterMs).catch(() => {}) // Redis is away: the next slot is refused anyway
    // The same is wrong for the others: what has no slot yet is queued again.
    if (outcome.kind === 'stopped') this.#slice.flight.stop.abort()
    const sentTo = { phone: 'phone' in to ? to.phone : '', userId: 'userId' in to ? to.userId : '' }
    const { phone, userId } = this.#message
    const isMoved =
      outcome.kind !== 'notSent' &&
      (sentTo.phone !== phone || (phone === '' && sentTo.userId !== userId))
    const change = {
      ...changeOf(outcome, this.#message.number, this.#ctx.now()),
      ...(isMoved && { sentTo }),
    }
    const identityUpdate = identityUpdateOf(outcome, {
      phone: sentTo.phone,
      userId: sentTo.userId || userId,
    })
    return { attemptId: this.#message.attemptId, change, ...(identityUpdate && { identityUpdate }) }
  }

  #unreached(error: unknown): SendOutcome {
    const reason = error instanceof Error ? error.message : String(error)
    return { kind: 'notSent', reason, isLate: false }
  }

  #notBegun(): MessageOutcome {
    return this.#back(this.#slice.flight.stop.signal.aborted ? 'stopped' : 'overdue')
  }

  /** Back into the queue: nothing was written. */
  #back(because: keyof typeof backReasons, afterMs = 0): MessageOutcome {
    givenBack(1, { because })
    return this.#outcome({
      kind: 'not_sent',
      reason: backReasons[because],
      notBefore: new Date(this.#ctx.now() + afterMs),
    })
  }

  #outcome(change: Omit<OutcomeChange, 'at'>): MessageOutcome {
    return {
      attemptId: this.#message.attemptId,
      change: { at: new Date(this.#ctx.now()), ...change },
    }
  }

  #enter(phase: Phase | undefined): void {
    const { in: counts, lastMs } = this.#slice.flight
    const now = performance.now()
    if (this.#phase) {
      counts[this.#phase] -= 1
      lastMs[this.#phase] = now - this.#since
    }
    if (phase) counts[phase] += 1
    this.#phase = phase
    this.#since = now
  }
}
