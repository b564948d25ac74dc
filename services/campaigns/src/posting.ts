import { setTimeout as delay } from 'node:timers/promises'
import { AppError, slotGraceMs } from '@lockstep/contracts'
import { buildTemplateMessage, type SendOutcome } from '@lockstep/whatsapp'
import type { OutcomeChange } from './attempt.ts'
import type { Context } from './context.ts'
import type { Claimed } from './db/queries.ts'
import { recipientsOfContacts } from './db/queries.ts'
import type { Slice } from './sending.ts'

/** A refused connection is tried again soon, then ever more rarely. */
const notSentDelayMs = (attempts: number): number => Math.min(1_000 * 2 ** (attempts - 1), 60_000)
const throttledDelayMs = 5_000
/** Claimed rows go back into the queue for so long when they could not even be checked. */
const uncheckedDelayMs = 2_000

/**
 * Sends to claimed recipients, each in its slot. Asks contacts first whether they may be written to: the answer is newer than
 * the claim. Resolves when all are on their way; each promise resolves when an outcome is committed, and never rejects.
 */
export async function dispatch(ctx: Context, slice: Slice, claimed: Claimed[], slots: number[]): Promise<Promise<void>[]> {
  if (claimed.length === 0) return []
  const later = (ms: number) => new Date(ctx.now() + ms)
  const record = (row: Claimed, change: Omit<OutcomeChange, 'at'>) =>
    slice.recorder.record({ attemptId: row.attemptId, change: { ...change, at: new Date(ctx.now()) } })
  let refusals: Map<string, string>
  let waits: (number | null)[]
  try {
    const pairs = ctx.limiter.takePair(slice.connection.id, claimed.map(addressOf))
    ;[refusals, waits] = await Promise.all([refused(ctx, slice, claimed), pairs])
  } catch (error) {
    // Nothing was written to anybody: back into the queue with all of them, and the lane waits for what is away.
    await Promise.all(
      claimed.map((row) => record(row, { kind: 'not_sent', words: 'could not be checked', notBefore: later(uncheckedDelayMs) })),
    )
    throw error
  }
  return claimed.map((row, i) => {
    const refusal = refusals.get(row.contactId)
    if (refusal) return record(row, { kind: 'skipped', words: refusal })
    const waitMs = waits[i]
    if (waitMs) return record(row, { kind: 'not_sent', words: 'written to within the last 6 seconds', notBefore: later(waitMs) })
    return send(ctx, slice, row, slots[i]!)
  })
}

const addressOf = (row: Claimed): string => row.phone || row.userId

/** Which of them must not be written to, and why; a second recipient of one person is a duplicate. */
async function refused(ctx: Context, { campaign, marketing }: Slice, claimed: Claimed[]): Promise<Map<string, string>> {
  const { accountId } = campaign
  const contactIds = claimed.map((row) => row.contactId)
  const { results } = await ctx.contacts.checkSendable({ contactIds, marketing }, { accountId })
  const refusals = new Map(results.filter((r) => r.refusal).map((r) => [r.contactId, r.refusal]))
  const joined = results.filter((r) => r.canonicalId !== r.contactId)
  if (joined.length > 0) {
    const present = await ctx.db.transaction(accountId, (tx) =>
      recipientsOfContacts(
        tx,
        campaign.id,
        joined.map((r) => r.canonicalId),
      ),
    )
    for (const { contactId, canonicalId } of joined) if (present.has(canonicalId)) refusals.set(contactId, 'duplicate')
  }
  if (results.length < contactIds.length) throw new AppError('internal', 'contacts did not answer for every recipient')
  return refusals
}

async function send(ctx: Context, slice: Slice, row: Claimed, slot: number): Promise<void> {
  const { campaign, connection, template, accessToken, recorder } = slice
  const { phoneNumberId } = connection
  const token = ctx.tokens.issue({ kind: 'c', ownerId: campaign.id, attemptId: row.attemptId, phoneNumberId })
  const to = row.phone ? { phone: row.phone } : { userId: row.userId }
  let outcome: SendOutcome
  try {
    const body = buildTemplateMessage({ template, to, values: row.values, token })
    const waitMs = slot - performance.now()
    if (waitMs > 1) await delay(waitMs)
    outcome = await ctx.graph.sendMessage({ phoneNumberId, token: accessToken, body, notAfterMs: slot + slotGraceMs })
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    outcome = { kind: 'rejected', code: null, words: error.message, details: '' }
  }
  if (outcome.kind === 'throttled' && outcome.scope !== 'recipient')
    await ctx.limiter.reportThrottled(connection.id, outcome.retryAfterMs).catch(() => {}) // Redis is away: the next slot is refused anyway
  const learned = learnedFrom(outcome, row)
  await recorder.record({ attemptId: row.attemptId, change: changeOf(outcome, row, ctx.now()), ...(learned && { learned }) })
}

/** What an outcome of the call means for the attempt (reliability: "outcome of the call"). */
export function changeOf(outcome: SendOutcome, row: Pick<Claimed, 'number'>, nowMs: number): OutcomeChange {
  const at = new Date(nowMs)
  switch (outcome.kind) {
    case 'accepted':
      return { kind: 'accepted', at, wamid: outcome.wamid }
    case 'notSent':
      return { kind: 'not_sent', at, words: outcome.reason, notBefore: new Date(nowMs + notSentDelayMs(row.number)) }
    case 'throttled':
      return {
        kind: 'not_sent',
        at,
        code: outcome.code,
        words: outcome.words,
        notBefore: new Date(nowMs + (outcome.retryAfterMs ?? throttledDelayMs)),
      }
    case 'stopped':
      return { kind: 'not_sent', at, code: outcome.code, words: outcome.words }
    case 'rejected':
      return { kind: 'rejected', at, code: outcome.code, words: [outcome.words, outcome.details].filter(Boolean).join(' Meta says: ') }
    case 'unknown':
      return { kind: 'unknown', at, code: outcome.code ?? null, words: outcome.reason }
  }
}

/** A number that WhatsApp knows under another id, or a user id that is new: contacts should know both. */
function learnedFrom(outcome: SendOutcome, row: Claimed) {
  if (outcome.kind !== 'accepted') return null
  const { input, waId, userId } = outcome
  const other = waId !== undefined && waId !== row.phone
  return other || (userId && userId !== row.userId) ? { input: input?.replace(/\D/g, ''), waId, userId } : null
}
