import { AppError, failures } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { type Answer, failureAnswer, toAppError } from './answer.ts'
import type { Context } from './context.ts'
import { findKey, freeKey, insertKey, type KeyRow, keepAnswer, markUnknown } from './db/queries.ts'

/** A writing request that may be sent again. */
export interface Repeatable {
  accountId: string
  /** The Idempotency-Key header. */
  key: string
  /** SHA-256 of what the request asks for; the same key with another is refused. */
  hash: Buffer
  requestId: string
  /** Where a person sees what became of a request whose answer is lost. */
  ifUnknown: string
}

/** A request that has no answer after this long has lost its process, and whether it took effect can't be known. */
const patienceMs = 60_000

/**
 * Runs a request once per account and key: a repetition gets the stored answer, also a refusal. A failure that says "mend it" or
 * "try again" frees the key; one that leaves the outcome open keeps it taken, so that nothing is done twice without a person's decision.
 */
export async function once(ctx: Context, asked: Repeatable, run: () => Promise<Answer>): Promise<Answer & { replayed: boolean }> {
  const stored = await ctx.db.transaction(asked.accountId, async (tx) => {
    if (await insertKey(tx, asked.key, asked.hash, new Date(ctx.now()))) return undefined
    return storedAnswer(await findKey(tx, asked.key), asked, ctx.now() - patienceMs * ctx.scale)
  })
  if (stored) return { ...stored, replayed: true }
  let answer: Answer
  try {
    answer = await run()
  } catch (error) {
    await settle(ctx, asked, (tx) => afterFailure(tx, asked, toAppError(error)))
    throw error
  }
  await settle(ctx, asked, (tx) => keepAnswer(tx, asked.key, answer.status, Buffer.from(answer.body)))
  return { ...answer, replayed: false }
}

/** What a key that is taken answers. Throws `conflict` with words where that is no answer. */
function storedAnswer(row: KeyRow | undefined, asked: Repeatable, lostBefore: number): Answer {
  if (!row) throw new AppError('busy', 'A request with this Idempotency-Key has just failed; send yours again')
  if (!row.requestHash.equals(asked.hash))
    throw new AppError('conflict', 'This Idempotency-Key was used for another request; take a new key for each new request')
  if (row.state === 'done') return { status: row.status!, body: row.response!.toString() }
  if (row.state === 'running' && row.createdAt.getTime() >= lostBefore)
    throw new AppError('conflict', 'The request with this Idempotency-Key is still running; send it again in a few seconds for its answer')
  throw new AppError('conflict', `Outcome unknown: the first request with this Idempotency-Key got no answer. ${asked.ifUnknown}`)
}

function afterFailure(tx: Tx, { key, requestId }: Repeatable, error: AppError): Promise<void> {
  // The deadline of a call passed: the peer may have done it or may do it yet.
  if (error.failure === 'timeout') return markUnknown(tx, key)
  const answer = failureAnswer(error, requestId)
  const canSucceed = error.failure === 'invalid' || failures[error.failure].retry || answer.status >= 500
  if (canSucceed) return freeKey(tx, key)
  return keepAnswer(tx, key, answer.status, Buffer.from(answer.body))
}

/** What was done is told to the caller in any case; a key that can't be settled becomes "outcome unknown" by itself. */
async function settle(ctx: Context, asked: Repeatable, work: (tx: Tx) => Promise<void>): Promise<void> {
  try {
    await ctx.db.transaction(asked.accountId, work)
  } catch (err) {
    ctx.log.warn({ err, accountId: asked.accountId, requestId: asked.requestId }, 'An answer could not be kept for its Idempotency-Key')
  }
}
