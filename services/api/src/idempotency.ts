import { AppError, CallNotSent, type Failure } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Context } from './context.ts'
import {
  findKey,
  freeKey,
  insertKey,
  type KeyRow,
  keepResponse,
  markUnknown,
} from './db/idempotency-keys.ts'
import { failureResponse, type HttpResponse, toAppError } from './http-response.ts'

/**
 * What to do when a response was lost: words for a person, who has to look; or the request runs
 * again under its key, for its effect is `dated` by its first try, or made under the `same id`.
 */
export type AfterLostResponse = string | { runs: 'dated' | 'same id' }

/** A writing request that may be sent again. */
export interface RepeatableRequest {
  accountId: string
  /** The Idempotency-Key header. */
  key: string
  /** SHA-256 of what the request asks for; the same key with another is refused. */
  hash: Buffer
  requestId: string
  afterLostResponse: AfterLostResponse
  /** Fields of the response that are not kept. */
  shownOnce?: readonly string[] | undefined
}

/** An earlier try is under way; its answer comes to whoever asks again. */
export class StillRunning extends AppError {
  constructor() {
    super(
      'conflict',
      'The request with this Idempotency-Key is still running; send it again in a few seconds for its answer',
    )
  }
}

/**
 * Failures that leave open what was done: a connection that broke in mid-call, a COMMIT without an
 * answer, a deadline.
 */
const leavesOpen: ReadonlySet<Failure> = new Set(['busy', 'timeout', 'internal'])

/**
 * Runs a request once per account and key; a repetition gets the stored response. One whose outcome
 * is open runs again only if its route says so.
 */
export async function runOnce(
  ctx: Context,
  asked: RepeatableRequest,
  run: (askedAt: Date) => Promise<HttpResponse>,
): Promise<HttpResponse & { replayed: boolean }> {
  const now = new Date(ctx.now())
  const begun = await ctx.db.transaction(asked.accountId, async (tx) => {
    if (await insertKey(tx, asked.key, asked.hash, now)) return { askedAt: now }
    return repeated(await findKey(tx, asked.key), asked, now.getTime() - ctx.times.requestLostMs)
  })
  if ('body' in begun) return { ...begun, replayed: true }
  let answer: HttpResponse
  try {
    answer = await run(begun.askedAt)
  } catch (error) {
    await settle(ctx, asked, (tx) => afterFailure(tx, asked, toAppError(error)))
    throw error
  }
  await settle(ctx, asked, (tx) =>
    keepResponse(tx, asked.key, answer.status, Buffer.from(withoutShownOnce(answer.body, asked))),
  )
  return { ...answer, replayed: false }
}

/**
 * The stored response of a key that is taken, or when its request was first sent if it may run
 * again; else throws `conflict`.
 */
function repeated(
  row: KeyRow | undefined,
  { hash, afterLostResponse }: RepeatableRequest,
  lostBefore: number,
): HttpResponse | { askedAt: Date } {
  if (!row)
    throw new AppError(
      'busy',
      'A request with this Idempotency-Key has just failed; send yours again',
    )
  if (!row.requestHash.equals(hash))
    throw new AppError(
      'conflict',
      'This Idempotency-Key was used for another request; take a new key for each new request',
    )
  if (row.state === 'done') return { status: row.status!, body: row.response!.toString() }
  if (row.state === 'running' && row.createdAt.getTime() >= lostBefore) throw new StillRunning()
  if (typeof afterLostResponse !== 'string') return { askedAt: row.createdAt }
  throw new AppError(
    'conflict',
    `Outcome unknown: the first request with this Idempotency-Key got no answer. ${afterLostResponse}`,
  )
}

/** The body with null for what is told only once. */
function withoutShownOnce(body: string, { shownOnce = [] }: RepeatableRequest): string {
  if (shownOnce.length === 0) return body
  const gone = Object.fromEntries(shownOnce.map((field) => [field, null]))
  return JSON.stringify({ ...JSON.parse(body), ...gone })
}

function afterFailure(
  tx: Tx,
  { key, requestId, afterLostResponse }: RepeatableRequest,
  error: AppError,
): Promise<void> {
  if (error.failure === 'invalid') return freeKey(tx, key)
  const didNothing = error.failure === 'throttled' || error instanceof CallNotSent
  // What is dated keeps its key even then, and with it the time of its first try.
  const isDated = typeof afterLostResponse !== 'string' && afterLostResponse.runs === 'dated'
  if (didNothing && !isDated) return freeKey(tx, key)
  if (didNothing || leavesOpen.has(error.failure)) return markUnknown(tx, key)
  const answer = failureResponse(error, requestId)
  return keepResponse(tx, key, answer.status, Buffer.from(answer.body))
}

/**
 * What was done is told to the caller in any case; a key that can't be settled becomes "outcome
 * unknown" by itself.
 */
async function settle(
  ctx: Context,
  asked: RepeatableRequest,
  work: (tx: Tx) => Promise<void>,
): Promise<void> {
  try {
    await ctx.db.transaction(asked.accountId, work)
  } catch (err) {
    ctx.log.warn(
      { err, accountId: asked.accountId, requestId: asked.requestId },
      'An answer could not be kept for its Idempotency-Key',
    )
  }
}
