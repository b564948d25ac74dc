import type { AttemptOutcome, RecipientState } from '@lockstep/contracts'
import { withDetails } from '@lockstep/whatsapp'

/**
 * One try to send to one recipient. Its times only get earlier, so that status webhooks may come in
 * any order and repeatedly.
 */
export interface Attempt {
  id: string
  recipientId: string
  outcome: AttemptOutcome
  wamid: string | null
  /** No status is from before it; where it is not known, each is believed. */
  claimedAt?: Date
  acceptedAt: Date | null
  sentAt: Date | null
  deliveredAt: Date | null
  readAt: Date | null
  failedAt: Date | null
  /** Meta's error code, and why it was rejected, failed or not sent. */
  code: number | null
  reason: string
}

/** What the call to Meta said about an attempt, or our own decision not to make it. */
export interface OutcomeChange {
  kind: Exclude<AttemptOutcome, 'sending'>
  at: Date
  wamid?: string
  code?: number | null
  reason?: string
  /** What Meta says beside it, for the attempt only. */
  details?: string
  /**
   * For `not_sent`: it is wrong with everybody's message, so that the owner stops for this reason.
   */
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
  reason?: string
}

export type AttemptChange = OutcomeChange | StatusChange

const isStatus = (change: AttemptChange): change is StatusChange =>
  ['sent', 'delivered', 'read', 'failed'].includes(change.kind)

/** The attempt after one more thing is known about it. */
export function applyChange(attempt: Attempt, change: AttemptChange): Attempt {
  return isStatus(change) ? applyStatus(attempt, change) : applyOutcome(attempt, change)
}

/**
 * Over `unknown` too: that is written for a process that was silent, and knows better when it comes
 * back.
 */
function applyOutcome(attempt: Attempt, change: OutcomeChange): Attempt {
  if (change.kind === 'accepted') return accepted(attempt, change.at, change.wamid)
  const knowsBetter =
    attempt.outcome === 'sending' || (attempt.outcome === 'unknown' && change.kind !== 'unknown')
  if (!knowsBetter) return attempt
  return {
    ...attempt,
    outcome: change.kind,
    code: change.code ?? null,
    reason: withDetails(change.reason, change.details),
  }
}

/** Meta's clock may be so far behind ours. */
const clockMarginMs = 60_000

/**
 * Any status proves that Meta accepted the message; only one that is not dated before the claim
 * says when.
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
    reason: attempt.failedAt ? attempt.reason : '',
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
    : { ...attempt, failedAt: change.at, code, reason: change.reason ?? '' }
}

function earliest(a: Date | null, b: Date | null): Date | null {
  if (!a || !b) return a ?? b
  return a < b ? a : b
}

const statusTimes = ['acceptedAt', 'sentAt', 'deliveredAt', 'readAt', 'failedAt'] as const

/** Whether nothing has changed between them. */
export function sameAttempt(a: Attempt, b: Attempt): boolean {
  if (a === b) return true
  if (
    a.id !== b.id ||
    a.outcome !== b.outcome ||
    a.wamid !== b.wamid ||
    a.code !== b.code ||
    a.reason !== b.reason
  )
    return false
  return statusTimes.every((time) => a[time]?.getTime() === b[time]?.getTime())
}

/**
 * A recipient's state as its newest attempt tells it: the best that is known; `failed` only while
 * nothing better is.
 */
export function recipientState(attempt: Attempt): RecipientState {
  if (attempt.readAt) return 'read'
  if (attempt.deliveredAt) return 'delivered'
  if (attempt.failedAt) return 'failed'
  if (attempt.sentAt) return 'sent'
  return attempt.outcome === 'not_sent' ? 'queued' : attempt.outcome
}
