import type { ConnectionHealth } from '@lockstep/contracts'
import type { HealthIssues } from './facts.ts'
import { restrictionClause, touchesMessaging } from './restrictions.ts'
import { type TokenFacts, tokenIssue } from './token-health.ts'

/** A restriction of a number that is in force. */
export interface ActiveRestriction {
  type: string
  remediation: string
  endsAt: Date | null
}

/**
 * What a connection can do by Meta's word: a ban outweighs a restriction, and only restrictions
 * that touch messaging count.
 */
export function healthOf(
  { standing, review, access }: HealthIssues,
  restrictions: ActiveRestriction[],
): { health: ConnectionHealth; reason: string } {
  const issues = [standing, review, access].filter((issue) => issue != null)
  const disabled = issues.find(({ health }) => health === 'disabled')
  if (disabled) return disabled
  const ofMessaging = restrictions.filter(({ type }) => touchesMessaging(type))
  const reasons = issues.map(({ reason }) => reason)
  if (ofMessaging.length > 0) reasons.push(restrictionsSummary(ofMessaging))
  return reasons.length > 0
    ? { health: 'restricted', reason: reasons.join(' ') }
    : { health: 'ok', reason: '' }
}

/** The same with what its token is good for now. */
export function healthNow(
  connection: TokenFacts & { healthIssues: HealthIssues },
  restrictions: ActiveRestriction[],
  nowMs: number,
): ReturnType<typeof healthOf> {
  const { healthIssues } = connection
  const access = tokenIssue(connection, nowMs) ?? healthIssues.access ?? null
  return healthOf({ ...healthIssues, access }, restrictions)
}

/** Restrictions of a number in one sentence, with what Meta says to do about them. */
export function restrictionsSummary(restrictions: ActiveRestriction[]): string {
  const clauses = restrictions.map(({ type, endsAt }) =>
    restrictionClause({ type, endsAtMs: endsAt?.getTime() ?? null }),
  )
  const remedies = [...new Set(restrictions.map(({ remediation }) => remediation).filter(Boolean))]
  return [`Meta has restricted this number: ${clauses.join('; ')}.`, ...remedies].join(' ')
}
