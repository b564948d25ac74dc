import { type TokenFacts, tokenState } from './token-health.ts'

/** What a connection is warned of. */
interface Warned extends TokenFacts {
  quality: string
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
  const { quality } = connection
  const { health, message } = tokenState(connection, nowMs)
  const expiry = health === 'expiring' ? [message] : []
  return [...expiry, ...(ofQuality[quality] ? [ofQuality[quality]] : [])]
}
