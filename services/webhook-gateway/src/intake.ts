import { AppError } from '@lockstep/contracts'
import { isDatabaseUnavailable } from '@lockstep/database'
import { gauge } from '@lockstep/telemetry'
import { type App, owns } from './app.ts'
import { openBodyIds } from './body-ids.ts'
import type { Context } from './context.ts'
import { insertBodies, type NewBody } from './db/queries.ts'
import {
  countForgedToken,
  countRequest,
  countStored,
  groupSeconds,
  groupSize,
  type RequestResult,
} from './metrics.ts'
import { type NewPart, partsInSteps, partsOf } from './parts.ts'
import { openReading } from './reading.ts'

/** Puts signed bodies into PostgreSQL. Disposing stores what is queued. */
export interface Intake extends AsyncDisposable {
  /**
   * Resolves once a body that the app signed is committed with its parts. The time is that at which it was there, ms. Throws `busy` when
   * PostgreSQL is away or too much is queued, and `internal` when PostgreSQL refuses this very body.
   */
  store(app: App, receivedAtMs: number, raw: Buffer): Promise<void>
}

interface Waiting {
  body: NewBody
  bytes: number
  /** Answers it: null when it is stored. */
  settle(error: AppError | null): void
}

const maxGroup = { bodies: 500, bytes: 8 * 1024 * 1024 }
/** A body larger than this is read in its account's turn. */
const largeBytes = 32 * 1024
const maxQueuedBytes = 64 * 1024 * 1024
/** A commit that takes longer is answered 503; if it succeeds later, Meta's repetition changes nothing. */
const storeTimeoutMs = 10_000

/**
 * Group commit with one statement under way: it takes all that arrived while the one before it ran. Without load a group
 * has one member and waits for nobody. (Two statements at a time were slower than one: docs/decisions/0008.)
 */
export function openIntake(ctx: Context): Intake {
  const nextId = openBodyIds()
  const rules = { tokens: ctx.tokens, onForged: countForgedToken }
  const reading = openReading()
  const queue: Waiting[] = []
  let queuedBytes = 0
  let running: Promise<void> | undefined
  const measured = gauge(
    'lockstep_webhook_queued_bytes',
    'Webhook bodies waiting to be stored',
    () => [{ value: queuedBytes }],
  )

  async function run(): Promise<void> {
    while (queue.length > 0) await storeGroup(ctx, queue.splice(0, groupLength(queue)))
    running = undefined
  }

  function hold(bytes: number): void {
    if (queuedBytes + bytes > maxQueuedBytes) {
      countRequest('queue_full')
      throw new AppError('busy', 'Too many webhooks wait to be stored; send it again')
    }
    queuedBytes += bytes
  }

  function enqueue(app: App, receivedAtMs: number, raw: Buffer, parts: NewPart[]): Promise<void> {
    let bytes = raw.length
    for (const { content } of parts) if (content) bytes += content.length
    hold(bytes)
    const body = { id: nextId(), appId: app.id, accountId: app.accountId, receivedAtMs, raw, parts }
    return new Promise((resolve, reject) => {
      const settle = (error: AppError | null) => {
        queuedBytes -= bytes
        if (error) reject(error)
        else resolve()
      }
      queue.push({ body, bytes, settle })
      running ??= run()
    })
  }

  return {
    store(app, receivedAtMs, raw) {
      if (raw.length <= largeBytes)
        return enqueue(app, receivedAtMs, raw, partsOf(raw, ctx.apps.peek(app.id) ?? app, rules))
      hold(raw.length)
      const steps = () => partsInSteps(raw, ctx.apps.peek(app.id) ?? app, rules)
      const read = reading.take(app.accountId, raw.length, steps).finally(() => {
        queuedBytes -= raw.length
      })
      return read.then((parts) => enqueue(app, receivedAtMs, raw, parts))
    },
    async [Symbol.asyncDispose]() {
      await running
      measured[Symbol.dispose]()
    },
  }
}

/** How many of the first in the queue go together: at least one, at most 500 and about 8 MB. */
function groupLength(queue: readonly Waiting[]): number {
  let bytes = 0
  let length = 0
  for (const waiting of queue) {
    bytes += waiting.bytes
    if (length > 0 && (length >= maxGroup.bodies || bytes > maxGroup.bytes)) break
    length += 1
  }
  return length
}

/** Stores a group, and answers each of its members. A group that is refused is stored one by one, so that one body never costs its neighbours. */
async function storeGroup(ctx: Context, group: Waiting[]): Promise<void> {
  const error = await tried(ctx, group)
  if (error === null) stored(ctx, group)
  else if (isAway(error)) for (const waiting of group) refused(ctx, waiting, 'database_away', error)
  else if (group.length === 1) refused(ctx, group[0]!, 'refused', error)
  else await storeEach(ctx, group)
}

async function storeEach(ctx: Context, group: Waiting[]): Promise<void> {
  let away: unknown = null
  for (const waiting of group) {
    const error = away ?? (await tried(ctx, [waiting]))
    if (error !== null && isAway(error)) away = error // the others would only wait for the same
    if (error === null) stored(ctx, [waiting])
    else refused(ctx, waiting, away ? 'database_away' : 'refused', error)
  }
}

/** Null when the group is committed, else what went wrong. */
async function tried(ctx: Context, group: Waiting[]): Promise<unknown> {
  const startedAt = performance.now()
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => timeout.reject(new AppError('timeout', 'PostgreSQL did not commit in time')),
    Math.max(1_000, storeTimeoutMs * ctx.scale),
  )
  try {
    const bodies = group.map(({ body }) => body)
    await Promise.race([insertBodies(ctx.db, bodies), timeout.promise])
    groupSize(group.length)
    groupSeconds((performance.now() - startedAt) / 1000)
    return null
  } catch (error) {
    return error
  } finally {
    clearTimeout(timer)
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof AppError || isDatabaseUnavailable(error)

/** Answers first: all else can wait for it. */
function stored(ctx: Context, group: Waiting[]): void {
  for (const { settle } of group) settle(null)
  const parts = group.flatMap(({ body }) => body.parts)
  for (const { lane, key, outcome } of parts)
    if (lane !== null && outcome === null) ctx.messaging.wake(lane, key!)
  countStored(group.length, parts)
  for (const { body } of group)
    if (body.parts.some(({ outcome }) => outcome === 'no_connection')) claimKnown(ctx, body)
}

/** What was nobody's when its body was split may be its app's by now: who connected it meanwhile has claimed before this was there. */
function claimKnown(ctx: Context, { appId, parts }: NewBody): void {
  ctx.apps.doubt(appId)
  const app = ctx.apps.peek(appId)
  const known = parts.filter(
    ({ outcome, lane, key, field }) =>
      app && outcome === 'no_connection' && owns(app, lane!, key!, field),
  )
  if (!app || known.length === 0) return
  const keysOf = (isNumber: boolean) =>
    known.flatMap(({ lane, key }) => ((lane === 'webhooks.message') === isNumber ? [key!] : []))
  ctx.claims.claim(app, { phoneNumberIds: keysOf(true), wabaIds: keysOf(false) })
}

function refused(
  ctx: Context,
  { body, settle }: Waiting,
  result: RequestResult,
  cause: unknown,
): void {
  countRequest(result)
  const away = result === 'database_away'
  if (away)
    ctx.log.debug({ err: cause, appId: body.appId }, 'a webhook was not stored: PostgreSQL is away')
  else
    ctx.log.error(
      { err: cause, appId: body.appId, bytes: body.raw.length },
      'a webhook was not stored: PostgreSQL refuses it',
    )
  settle(
    away
      ? new AppError('busy', 'The webhook could not be stored at the moment; send it again', {
          cause,
        })
      : new AppError('internal', 'The webhook could not be stored', { cause }),
  )
}
