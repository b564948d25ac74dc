/** How long the status webhook of an unknown attempt is waited for; then it counts as "possibly sent". */
export const patienceMs = 15 * 60_000

export const isPossiblySent = (claimedAt: Date, nowMs: number): boolean =>
  nowMs - claimedAt.getTime() >= patienceMs

export interface Outcome {
  state: string
  /** What is known about the newest attempt. */
  reason: string
  /** Its status webhook is overdue. */
  isOld: boolean
  /** A person ordered a further attempt. */
  wasOrdered: boolean
}

/** What a person reads about a recipient: what is known, what is waited for, and what they can do. */
export function recipientWords({ state, reason, isOld, wasOrdered }: Outcome): string {
  const again = wasOrdered && state !== 'queued' ? "Sent again on a person's order" : ''
  if (state !== 'unknown') return [again, reason].filter(Boolean).join('. ')
  const next = isOld
    ? 'Possibly sent: no status has come in 15 minutes. Order it again if arriving twice is better than not at all'
    : 'Its status webhook will tell; for 15 minutes it is waited for'
  return [again, reason, next].filter(Boolean).join('. ')
}
