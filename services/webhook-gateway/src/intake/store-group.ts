import { AppError } from '@lockstep/contracts'
import { isDatabaseUnavailable } from '@lockstep/database'
import { adoptableKeys, owns } from '../apps/app.ts'
import type { Context } from '../context.ts'
import { insertBodies, type NewBody } from '../db/bodies.ts'
import { countRequest, countStored, groupSeconds, groupSize } from '../metrics.ts'

/** A body that waits to be stored. */
export interface QueuedBody {
  body: NewBody
  /** Its own and those of its parts. */
  bytes: number
  /** Answers its request: with null when it is stored. */
  answer(error: AppError | null): void
}

/** A commit has at least so long, also in a test with short times. */
const minTimeoutMs = 1_000

/** Stores a group and answers its members. One that PostgreSQL refuses is stored body by body. */
export async function storeGroup(ctx: Context, group: QueuedBody[]): Promise<void> {
  const error = await insertGroup(ctx, group)
  if (error === null) answerStored(ctx, group)
  else if (isAway(error)) for (const queued of group) answerAway(ctx, queued, error)
  else if (group.length === 1) answerRefused(ctx, group[0]!, error)
  else await storeEach(ctx, group)
}

async function storeEach(ctx: Context, group: QueuedBody[]): Promise<void> {
  let away: unknown = null
  for (const queued of group) {
    const error = away ?? (await insertGroup(ctx, [queued]))
    if (error !== null && isAway(error)) away = error // the others would only wait for the same
    if (error === null) answerStored(ctx, [queued])
    else if (away) answerAway(ctx, queued, error)
    else answerRefused(ctx, queued, error)
  }
}

/** Null when the group is committed, else what went wrong. */
async function insertGroup(ctx: Context, group: QueuedBody[]): Promise<unknown> {
  const startedAt = performance.now()
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => timeout.reject(new AppError('timeout', 'PostgreSQL did not commit in time')),
    Math.max(minTimeoutMs, ctx.times.storeTimeoutMs),
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
function answerStored(ctx: Context, group: QueuedBody[]): void {
  for (const { answer } of group) answer(null)
  const parts = group.flatMap(({ body }) => body.parts)
  for (const { lane, key, outcome } of parts)
    if (lane !== null && outcome === null) ctx.messaging.wake(lane, key!)
  countStored(group.length, parts)
  for (const { body } of group)
    if (body.parts.some(({ outcome }) => outcome === 'no_connection')) adoptKnown(ctx, body)
}

/**
 * Adopts parts whose number was connected after their body was split: that adoption came before they
 * were stored.
 */
function adoptKnown(ctx: Context, { appId, parts }: NewBody): void {
  ctx.apps.refreshSoon(appId)
  const app = ctx.apps.peek(appId)
  if (!app) return
  for (const { outcome, lane, key, field } of parts) {
    if (outcome !== 'no_connection' || !owns(app, lane!, key!, field)) continue
    const keys = adoptableKeys(lane!, key!)
    if (keys) ctx.adoptions.add(app, keys)
  }
}

function answerAway(ctx: Context, { body, answer }: QueuedBody, cause: unknown): void {
  countRequest('database_away')
  const { appId } = body
  ctx.log.debug({ err: cause, appId }, 'a webhook was not stored: PostgreSQL is away')
  const message = 'The webhook could not be stored at the moment; send it again'
  answer(new AppError('busy', message, { cause }))
}

function answerRefused(ctx: Context, { body, answer }: QueuedBody, cause: unknown): void {
  countRequest('database_refused')
  const { appId, raw } = body
  const facts = { err: cause, appId, bytes: raw.length }
  ctx.log.error(facts, 'a webhook was not stored: PostgreSQL refuses it')
  answer(new AppError('internal', 'The webhook could not be stored', { cause }))
}
