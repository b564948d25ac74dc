import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@lockstep/contracts'
import type { Addressee } from '@lockstep/whatsapp'
import type { OutcomeChange } from './attempt.ts'
import type { SendContext } from './context.ts'
import type { ClaimedMessage, OtherMessage, SendQueue, SendRoute } from './queue.ts'

/** Why a message is not sent now. */
type Decision = Pick<OutcomeChange, 'kind' | 'words' | 'notBefore'>

/** What the check says of a message: to which address it goes, or why it doesn't. */
export type Checked = { to: Addressee } | { decision: Decision }

/** The outcome of another message to the same person is waited for so long at a time. */
const samePersonDelayMs = 1_000
const againMs = { first: 100, most: 1_000 }

/**
 * Asks contacts for a set of claimed messages who may be written to, and where, until it answers or `signal` aborts; then it throws what
 * the last question threw. The answer is newer than the claim.
 */
export async function checkMessages(
  ctx: SendContext,
  queue: SendQueue,
  route: SendRoute,
  claimed: readonly ClaimedMessage[],
  signal: AbortSignal,
): Promise<Checked[]> {
  const contactIds = claimed.map(({ contactId }) => contactId)
  for (let waitMs = againMs.first; ; waitMs = Math.min(2 * waitMs, againMs.most)) {
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
): Promise<Checked[]> {
  const { results } = await ctx.peers.contacts.checkSendable(
    { contactIds, category },
    { accountId: queue.accountId },
  )
  if (results.length < claimed.length)
    throw new AppError('internal', 'contacts did not answer for every message')
  const also = results.flatMap((result) => result.also)
  const others = new Map(
    (also.length === 0 ? [] : await queue.others(also)).map((other) => [other.contactId, other]),
  )
  return claimed.map(({ attemptId }, i): Checked => {
    const { refusal, phone, userId, also } = results[i]!
    if (refusal) return { decision: { kind: 'skipped', words: refusal } }
    const decision = afterOthers(
      attemptId,
      also.flatMap((id) => others.get(id) ?? []),
      ctx.now(),
    )
    return decision ? { decision } : { to: phone ? { phone } : { userId } }
  })
}

/**
 * What other messages of an owner to what turned out to be the same person leave to do. Of those under way the one that was claimed
 * first goes on: claims are serial, so that each sees those before it.
 */
function afterOthers(attemptId: string, others: OtherMessage[], nowMs: number): Decision | null {
  if (others.some((other) => other.written)) return { kind: 'skipped', words: 'duplicate' }
  const isSecond = others.some(
    ({ sendingId }) => sendingId !== null && BigInt(sendingId) < BigInt(attemptId),
  )
  if (!isSecond) return null
  const notBefore = new Date(nowMs + samePersonDelayMs)
  return { kind: 'not_sent', words: 'another message to the same person is under way', notBefore }
}
