import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@lockstep/contracts'
import type { Addressee } from '@lockstep/whatsapp'
import type { OutcomeChange } from './attempt.ts'
import type { SendContext } from './context.ts'
import type { ClaimedMessage, OtherMessage, SendQueue, SendRoute } from './queue.ts'

/** Why a message is not sent now. */
type Decision = Pick<OutcomeChange, 'kind' | 'reason' | 'notBefore'>

/** What the check says of a message: to which address it goes, or why it doesn't. */
export type CheckResult = { to: Addressee } | { decision: Decision }

/** The outcome of another message to the same person is waited for so long at a time. */
const samePersonDelayMs = 1_000
/** A check that failed is asked for again, ever more rarely. */
const retryMs = { first: 100, most: 1_000 }

/**
 * Asks contacts who may be written to, and where, until it answers; when `signal` aborts it throws
 * what the last call threw.
 */
export async function checkMessages(
  ctx: SendContext,
  queue: SendQueue,
  route: SendRoute,
  claimed: readonly ClaimedMessage[],
  signal: AbortSignal,
): Promise<CheckResult[]> {
  const contactIds = claimed.map(({ contactId }) => contactId)
  for (let waitMs = retryMs.first; ; waitMs = Math.min(2 * waitMs, retryMs.most)) {
    try {
      return await ask(ctx, queue, route, claimed, contactIds)
    } catch (error) {
      await delay(waitMs * ctx.scale, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) throw error
    }
  }
}

async function ask(
  ctx: SendContext,
  queue: SendQueue,
  { category }: SendRoute,
  claimed: readonly ClaimedMessage[],
  contactIds: string[],
): Promise<CheckResult[]> {
  const { results } = await ctx.peers.contacts.checkSendable(
    { contactIds, category },
    { accountId: queue.accountId },
  )
  const answers = new Map(results.map((result) => [result.contactId, result]))
  if (contactIds.some((id) => !answers.has(id)))
    throw new AppError('internal', 'contacts did not answer for every message')
  const otherIds = results.flatMap((result) => result.otherContactIds)
  const others = otherIds.length === 0 ? [] : await queue.otherMessages(otherIds)
  const byContact = new Map(others.map((other) => [other.contactId, other]))
  return claimed.map(({ attemptId, contactId }): CheckResult => {
    const { refusal, phone, userId, otherContactIds } = answers.get(contactId)!
    if (refusal) return { decision: { kind: 'skipped', reason: refusal } }
    const decision = afterOtherMessages(
      attemptId,
      otherContactIds.flatMap((id) => byContact.get(id) ?? []),
      ctx.now(),
    )
    return decision ? { decision } : { to: phone ? { phone } : { userId } }
  })
}

/**
 * Of messages to one person that are under way the first claimed goes on: claims are serial, so
 * that each sees those before it.
 */
function afterOtherMessages(
  attemptId: string,
  otherMessages: OtherMessage[],
  nowMs: number,
): Decision | null {
  if (otherMessages.some((other) => other.mayHaveArrived))
    return { kind: 'skipped', reason: 'duplicate' }
  const isSecond = otherMessages.some(
    ({ sendingId }) => sendingId !== null && BigInt(sendingId) < BigInt(attemptId),
  )
  if (!isSecond) return null
  const notBefore = new Date(nowMs + samePersonDelayMs)
  return { kind: 'not_sent', reason: 'another message to the same person is under way', notBefore }
}
