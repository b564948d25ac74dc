import type { ConnectionHealth } from '@lockstep/contracts'

/** Why a connection sends less than it should, or nothing at all. */
export interface HealthIssue {
  health: Exclude<ConnectionHealth, 'ok'>
  reason: string
}

/**
 * `standing`: banned, deleted or offboarded; `review`: rejected, or still looked at; `access`:
 * taken from us until Meta accepts a token again.
 */
export type HealthIssues = Partial<Record<'standing' | 'review' | 'access', HealthIssue | null>>

/**
 * What updates of Meta's can change, each by its own times; `restriction` is when all were last
 * known to be over.
 */
export type Fact =
  | keyof HealthIssues
  | 'restriction'
  | 'quality'
  | 'messagingLimit'
  | 'throughput'
  | 'verifiedName'

/** A connection as far as updates of Meta's concern it. */
export interface ConnectionFacts {
  wabaId: string
  displayPhoneNumber: string
  verifiedName: string
  quality: string
  messagingLimit: string
  maxPerSecond: number
  healthIssues: HealthIssues
  /** Meta's time of the last update in ms, by fact. */
  factTimes: Partial<Record<Fact, number>>
  connectedAt: Date
}
