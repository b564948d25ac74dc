import type { HealthIssue } from './facts.ts'

/** What a connection is warned of. */
interface Warned {
  tokenExpiresAt?: Date | null
  quality: string
}

const warnBeforeMs = 14 * 86_400_000

const dayOf = (date: Date): string => date.toISOString().slice(0, 10)

/** An access token that is over: nothing can be sent with it. */
export function expiryIssue({ tokenExpiresAt }: Warned, nowMs: number): HealthIssue | null {
  if (!tokenExpiresAt || tokenExpiresAt.getTime() > nowMs) return null
  const reason = `The access token expired on ${dayOf(tokenExpiresAt)}. Replace it; campaigns can then be resumed.`
  return { health: 'disabled', reason }
}

const ofQuality: Readonly<Record<string, string>> = {
  YELLOW:
    'Meta rates the quality of this number as medium: people block or report it. Write to fewer people, who expect it.',
  RED: 'Meta rates the quality of this number as low: it may lose the right to write first. Stop what people block or report.',
  FLAGGED:
    'Meta has flagged this number for low quality: its limit falls unless the quality rises within days. Stop what people block or report.',
}

/** What a person should do something about before it stops messages; empty when there is nothing. */
export function warningsOf(connection: Warned, nowMs: number): string[] {
  const { tokenExpiresAt, quality } = connection
  const leftMs = tokenExpiresAt ? tokenExpiresAt.getTime() - nowMs : Number.POSITIVE_INFINITY
  const expiry =
    leftMs > 0 && leftMs <= warnBeforeMs
      ? [
          `The access token expires on ${dayOf(tokenExpiresAt!)}. Replace it before, or sending stops.`,
        ]
      : []
  return [...expiry, ...(ofQuality[quality] ? [ofQuality[quality]] : [])]
}
