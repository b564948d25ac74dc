import { withDetails } from '@lockstep/whatsapp'

/**
 * An attempt is one try to send to one recipient. Its outcome is what the call to Meta said; its facts are what the
 * status webhooks added since. Facts only ever move towards the past or from absent to present, so that every order and
 * every number of repeats of the same webhooks gives the same attempt.
 */
export interface Attempt {
  id: string
  recipientId: string
  outcome: 'sending' | 'accepted' | 'not_sent' | 'rejected' | 'unknown' | 'skipped'
  wamid: string | null
  /** No status is from before it; where it is not known, each is believed. */
  claimedAt?: Date
  acceptedAt: Date | null
  sentAt: Date | null
  deliveredAt: Date | null
  readAt: Date | null
  failedAt: Date | null
  /** Meta's error code and words for a rejection or failure, or the reason why it was not sent. */
  code: number | null
  words: string
}

export type RecipientState =
  | 'queued'
  | 'sending'
  | 'accepted'
  | 'sent'
  | 'delivered'
  | 'read'
  | 'failed'
  | 'rejected'
  | 'skipped'
  | 'unknown'

/** What the call to Meta said about an attempt, or our own decision not to make it. */
export interface OutcomeChange {
  kind: 'accepted' | 'not_sent' | 'rejected' | 'unknown' | 'skipped'
  at: Date
  wamid?: string
  code?: number | null
  words?: string
  /** What Meta says beside the words, for the attempt only. */
  details?: string
  /** For `not_sent`: it is wrong with everybody's message, so that the owner stops with `words`. */
  isStop?: boolean
  /** For `not_sent`: the message waits in the queue until then. */
  notBefore?: Date
  /** Where it went, when that was not the address that the message was written down with. */
  sentTo?: { phone: string; userId: string }
}

/** What a status webhook said. */
export interface StatusChange {
  kind: 'sent' | 'delivered' | 'read' | 'failed'
  at: Date
  wamid: string
  code?: number | null
  words?: string
}

export type Change = OutcomeChange | StatusChange

const isStatus = (change: Change): change is StatusChange =>
  ['sent', 'delivered', 'read', 'failed'].includes(change.kind)

/** The attempt after one more thing is known about it. */
export function applyChange(attempt: Attempt, change: Change): Attempt {
  return isStatus(change) ? applyStatus(attempt, change) : applyOutcome(attempt, change)
}

/**
 * An outcome is written while the attempt waits for it, or over `unknown`: that others write who have heard nothing for long of
 * the process that sends, which knows better when it comes back. "Accepted" is also true later: a status may have been faster
 * than the answer to the call that it belongs to.
 */
function applyOutcome(attempt: Attempt, change: OutcomeChange): Attempt {
  if (change.kind === 'accepted') return accepted(attempt, change.at, change.wamid)
  const knowsBetter =
    attempt.outcome === 'sending' || (attempt.outcome === 'unknown' && change.kind !== 'unknown')
  if (!knowsBetter) return attempt
  return { ...attempt, outcome: change.kind, code: change.code ?? null, words: withDetails(change) }
}

/** So far Meta's clock may be behind ours. */
const clockMarginMs = 60_000

/**
 * Any status proves that Meta accepted the message, whether or not we ever saw its answer; when it did, only one that is not dated before
 * the claim.
 */
function applyStatus(attempt: Attempt, change: StatusChange): Attempt {
  const isSound =
    !attempt.claimedAt || change.at.getTime() >= attempt.claimedAt.getTime() - clockMarginMs
  const proven = accepted(attempt, isSound ? change.at : null, change.wamid)
  switch (change.kind) {
    case 'sent':
      return { ...proven, sentAt: earliest(proven.sentAt, change.at) }
    case 'delivered':
      return { ...proven, deliveredAt: earliest(proven.deliveredAt, change.at) }
    case 'read':
      return { ...proven, readAt: earliest(proven.readAt, change.at) }
    case 'failed':
      return applyFailure(proven, change)
  }
}

function accepted(attempt: Attempt, at: Date | null, wamid: string | undefined): Attempt {
  return {
    ...attempt,
    outcome: 'accepted',
    wamid: attempt.wamid ?? wamid ?? null,
    acceptedAt: earliest(attempt.acceptedAt, at),
    code: attempt.failedAt ? attempt.code : null,
    words: attempt.failedAt ? attempt.words : '',
  }
}

/** Of several failures the earliest counts, then the smaller code, so that their order doesn't. */
function applyFailure(attempt: Attempt, change: StatusChange): Attempt {
  const code = change.code ?? null
  const older = attempt.failedAt && attempt.failedAt < change.at
  const same =
    attempt.failedAt?.getTime() === change.at.getTime() && (attempt.code ?? -1) <= (code ?? -1)
  return older || same
    ? attempt
    : { ...attempt, failedAt: change.at, code, words: change.words ?? '' }
}

function earliest(a: Date | null, b: Date | null): Date | null {
  if (!a || !b) return a ?? b
  return a < b ? a : b
}

const facts = ['acceptedAt', 'sentAt', 'deliveredAt', 'readAt', 'failedAt'] as const

/** Whether two are the same attempt with the same outcome and facts. */
export function sameAttempt(a: Attempt, b: Attempt): boolean {
  if (a === b) return true
  if (
    a.id !== b.id ||
    a.outcome !== b.outcome ||
    a.wamid !== b.wamid ||
    a.code !== b.code ||
    a.words !== b.words
  )
    return false
  return facts.every((fact) => a[fact]?.getTime() === b[fact]?.getTime())
}

/** A recipient's state as its newest attempt tells it: the best that is known; `failed` only while nothing better is. */
export function recipientState(attempt: Attempt): RecipientState {
  if (attempt.readAt) return 'read'
  if (attempt.deliveredAt) return 'delivered'
  if (attempt.failedAt) return 'failed'
  if (attempt.sentAt) return 'sent'
  return attempt.outcome === 'not_sent' ? 'queued' : attempt.outcome
}
