import type { HealthIssue } from './facts.ts'

/** What a token must be allowed to do: to read a WABA, and to send (meta-cloud-api.md §1). */
const neededScopes = ['whatsapp_business_management', 'whatsapp_business_messaging']

/** What Meta said last of a connection's token. */
export interface TokenFacts {
  /** Null when it has no end. */
  tokenExpiresAt?: Date | null | undefined
  /** When what it may read ends, though the token itself does not; null for never. */
  dataAccessExpiresAt?: Date | null | undefined
  /** Empty when Meta was not asked. */
  tokenScopes: string[]
  /** Why Meta takes it no longer; empty while it does. */
  tokenProblem: string
}

/** `expiring` is from 14 days before its end. */
type TokenHealth = 'ok' | 'expiring' | 'expired' | 'invalid'

export interface TokenState {
  health: TokenHealth
  /** What is wrong and what to do, in sentences; empty for `ok`. */
  message: string
}

const dayMs = 86_400_000
/** Days before the end at which it is told; from the first on it is a warning. */
const noticeDays = [14, 7, 3, 1] as const

const dayOf = (date: Date): string => date.toISOString().slice(0, 10)

const replaceIt = 'Replace it (PUT /v1/connections/:id/token); campaigns can then be resumed.'

export const missingScopes = (scopes: readonly string[]): string[] =>
  neededScopes.filter((scope) => !scopes.includes(scope))

/** The earlier one of both ends. */
export function endOf({
  tokenExpiresAt,
  dataAccessExpiresAt,
}: Pick<TokenFacts, 'tokenExpiresAt' | 'dataAccessExpiresAt'>): Date | null {
  const ends = [tokenExpiresAt, dataAccessExpiresAt].filter((end) => end != null)
  return ends.length > 0 ? new Date(Math.min(...ends.map(Number))) : null
}

/** What a connection's token is good for now. */
export function tokenState(facts: TokenFacts, nowMs: number): TokenState {
  const { tokenExpiresAt, tokenProblem, tokenScopes } = facts
  const end = endOf(facts)
  const what =
    end?.getTime() === tokenExpiresAt?.getTime()
      ? 'The access token'
      : "The access token's right to read data"
  if (end && end.getTime() <= nowMs)
    return { health: 'expired', message: `${what} expired on ${dayOf(end)}. ${replaceIt}` }
  const refused = `Meta does not take the access token any more: ${tokenProblem} ${replaceIt}`
  if (tokenProblem) return { health: 'invalid', message: refused }
  const missing = tokenScopes.length > 0 ? missingScopes(tokenScopes) : []
  const lost = `The access token has lost the permission ${missing.join(' and ')}. ${replaceIt}`
  if (missing.length > 0) return { health: 'invalid', message: lost }
  if (!end || end.getTime() - nowMs > noticeDays[0] * dayMs) return { health: 'ok', message: '' }
  return {
    health: 'expiring',
    message: `${what} expires on ${dayOf(end)}. Replace it before (PUT /v1/connections/:id/token), or sending stops.`,
  }
}

/** A token that nothing can be sent with. */
export function tokenIssue(facts: TokenFacts, nowMs: number): HealthIssue | null {
  const { health, message } = tokenState(facts, nowMs)
  return health === 'expired' || health === 'invalid'
    ? { health: 'disabled', reason: message }
    : null
}

/** Names what is to be told of a token, once each: its state and, before its end, how near that is. */
export function noticeOf(facts: TokenFacts, nowMs: number): string {
  const { health, message } = tokenState(facts, nowMs)
  if (health !== 'expiring') return health === 'ok' ? '' : `${health}: ${message}`
  const end = endOf(facts)!
  const days = noticeDays.findLast((each) => end.getTime() - nowMs <= each * dayMs)
  return `${health}: ${end.toISOString()}, ${days} days`
}

/** When Meta is asked next: every so often, and as soon as the token should be over. */
export function nextCheckAt(facts: TokenFacts, nowMs: number, everyMs: number): Date {
  const endMs = endOf(facts)?.getTime() ?? Number.POSITIVE_INFINITY
  const afterEndMs = endMs > nowMs ? endMs + 1_000 : Number.POSITIVE_INFINITY
  return new Date(Math.min(nowMs + everyMs, afterEndMs))
}
