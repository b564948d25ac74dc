/**
 * The status webhook of an attempt with an unknown outcome is waited for so long; then it was
 * "possibly sent".
 */
export const confirmWithinMs = 15 * 60_000

export const isPossiblySent = (claimedAt: Date, nowMs: number): boolean =>
  nowMs - claimedAt.getTime() >= confirmWithinMs

/** What a recipient's row says of its newest attempt. */
export interface RecipientStanding {
  state: string
  reason: string
  /** Its status webhook is overdue. */
  isOld: boolean
  /** A person asked for a further attempt. */
  wasResent: boolean
}

/**
 * What a person reads about a recipient: what is known, what is waited for, and what they can do.
 */
export function recipientReason({ state, reason, isOld, wasResent }: RecipientStanding): string {
  const again = wasResent && state !== 'queued' ? "Sent again on a person's order" : ''
  if (state !== 'unknown') return [again, reason].filter(Boolean).join('. ')
  const next = isOld
    ? 'Possibly sent: no status has come in 15 minutes. Order it again if arriving twice is better than not at all'
    : 'Its status webhook will tell; for 15 minutes it is waited for'
  return [again, reason, next].filter(Boolean).join('. ')
}
