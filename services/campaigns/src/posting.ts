import { setTimeout as delay } from 'node:timers/promises'
import { AppError, slotGraceMs } from '@lockstep/contracts'
import { buildTemplateMessage, type SendOutcome } from '@lockstep/whatsapp'
import type { OutcomeChange } from './attempt.ts'
import type { Context } from './context.ts'
import { type Claimed, recipientsOfContacts, type Written } from './db/recipients.ts'
import type { Slice } from './sending.ts'

/** A refused connection is tried again soon, then ever more rarely. */
const notSentDelayMs = (failures: number): number => Math.min(1_000 * 2 ** (failures - 1), 60_000)
const throttledDelayMs = 5_000
/** Claimed rows go back into the queue for so long when they could not even be checked. */
const uncheckedDelayMs = 2_000
/** The outcome of another message to the same person is waited for so long at a time. */
const samePersonDelayMs = 1_000

/**
 * Sends to claimed recipients, each in its slot. Asks contacts first whether they may be written to: the answer is newer than
 * the claim. Resolves when all are on their way; each promise resolves when an outcome is committed, and never rejects.
 */
export async function dispatch(ctx: Context, slice: Slice, claimed: Claimed[], slots: number[]): Promise<Promise<void>[]> {
  if (claimed.length === 0) return []
  const later = (ms: number) => new Date(ctx.now() + ms)
  const record = (row: Claimed, change: Omit<OutcomeChange, 'at'>) =>
    slice.recorder.record({ attemptId: row.attemptId, change: { ...change, at: new Date(ctx.now()) } })
  let decided: Map<string, Decision>
  let waits: (number | null)[]
  try {
    const pairs = ctx.limiter.takePair(slice.connection.id, claimed.map(addressOf))
    ;[decided, waits] = await Promise.all([decide(ctx, slice, claimed), pairs])
  } catch (error) {
    // Nothing was written to anybody: back into the queue with all of them, and the lane waits for what is away.
    await Promise.all(
      claimed.map((row) => record(row, { kind: 'not_sent', words: 'could not be checked', notBefore: later(uncheckedDelayMs) })),
    )
    throw error
  }
  return claimed.map((row, i) => {
    const decision = decided.get(row.contactId)
    if (decision) return record(row, decision)
    const waitMs = waits[i]
    if (waitMs) return record(row, { kind: 'not_sent', words: 'written to within the last 6 seconds', notBefore: later(waitMs) })
    return send(ctx, slice, row, slots[i]!)
  })
}

const addressOf = (row: Claimed): string => row.phone || row.userId

/** Why somebody is not written to now. */
type Decision = Pick<OutcomeChange, 'kind' | 'words' | 'notBefore'>

/** Who must not be written to, or not yet, by their contacts' ids: for what they said, or for what the same person gets otherwise. */
async function decide(ctx: Context, { campaign, marketing }: Slice, claimed: Claimed[]): Promise<Map<string, Decision>> {
  const { accountId } = campaign
  const contactIds = claimed.map((row) => row.contactId)
  const { results } = await ctx.contacts.checkSendable({ contactIds, marketing }, { accountId })
  if (results.length < contactIds.length) throw new AppError('internal', 'contacts did not answer for every recipient')
  const also = results.flatMap((result) => result.also)
  const found = also.length === 0 ? [] : await ctx.db.transaction(accountId, (tx) => recipientsOfContacts(tx, campaign.id, also))
  const recipients = new Map(found.map((recipient) => [recipient.contactId, recipient]))
  const decided = new Map<string, Decision>()
  results.forEach(({ contactId, refusal, also }, i) => {
    const others = also.flatMap((id) => recipients.get(id) ?? [])
    const decision = refusal ? ({ kind: 'skipped', words: refusal } as const) : afterOthers(claimed[i]!.attemptId, others, ctx.now())
    if (decision) decided.set(contactId, decision)
  })
  return decided
}

/**
 * What other recipients of a campaign that turned out to be the same person leave to do. Of those under way the one that was
 * claimed first goes on: claims are serial, so that each sees those before it.
 */
function afterOthers(attemptId: string, others: Written[], nowMs: number): Decision | null {
  if (others.some((other) => other.written)) return { kind: 'skipped', words: 'duplicate' }
  const isSecond = others.some(({ sendingId }) => sendingId !== null && BigInt(sendingId) < BigInt(attemptId))
  if (!isSecond) return null
  const notBefore = new Date(nowMs + samePersonDelayMs)
  return { kind: 'not_sent', words: 'another message to the same person is under way', notBefore }
}

async function send(ctx: Context, slice: Slice, row: Claimed, slot: number): Promise<void> {
  const { campaign, connection, template, accessToken, recorder } = slice
  const { phoneNumberId } = connection
  const token = ctx.tokens.issue({ kind: 'c', ownerId: campaign.id, attemptId: row.attemptId, phoneNumberId })
  const to = row.phone ? { phone: row.phone } : { userId: row.userId }
  const notAfterMs = slot + slotGraceMs
  let isLate = false
  let outcome: SendOutcome
  try {
    const body = buildTemplateMessage({ template, to, values: row.values, token })
    const waitMs = slot - performance.now()
    if (waitMs > 1) await delay(waitMs)
    isLate = performance.now() >= notAfterMs
    outcome = await ctx.graph.sendMessage({ phoneNumberId, token: accessToken, body, notAfterMs })
  } catch (error) {
    // Before a byte was written: the call itself answers with an outcome whatever happens to it.
    if (!(error instanceof AppError)) ctx.log.error({ err: error, campaignId: campaign.id }, 'A message could not be built')
    outcome = { kind: 'rejected', code: null, words: error instanceof AppError ? error.message : 'it could not be built', details: '' }
  }
  if (outcome.kind === 'throttled' && outcome.scope !== 'recipient')
    await ctx.limiter.reportThrottled(connection.id, outcome.retryAfterMs).catch(() => {}) // Redis is away: the next slot is refused anyway
  const learned = learnedFrom(outcome, row)
  // A slot that passed before the call is not Meta's fault: the next one may be soon.
  const failures = isLate ? 1 : row.number
  await recorder.record({ attemptId: row.attemptId, change: changeOf(outcome, failures, ctx.now()), ...(learned && { learned }) })
}

/** What an outcome of the call means for the attempt. */
function changeOf(outcome: SendOutcome, failures: number, nowMs: number): OutcomeChange {
  const at = new Date(nowMs)
  switch (outcome.kind) {
    case 'accepted':
      return { kind: 'accepted', at, wamid: outcome.wamid }
    case 'notSent':
      return { kind: 'not_sent', at, words: outcome.reason, notBefore: new Date(nowMs + notSentDelayMs(failures)) }
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
