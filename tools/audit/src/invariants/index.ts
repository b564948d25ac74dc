import type { Invariant } from '../invariant.ts'
import { onePostPerAttempt } from './i1-one-post-per-attempt.ts'
import { acceptedIsInLog } from './i2-accepted-is-in-log.ts'
import { logIsInRows } from './i3-log-is-in-rows.ts'
import { webhookEffects } from './i4-webhook-effects.ts'
import { statistics } from './i6-statistics.ts'
import { consent } from './i7-consent.ts'
import { rateLimit } from './i8-rate-limit.ts'
import { identities } from './i10-identities.ts'
import { accounts } from './i11-accounts.ts'
import { imports } from './i12-imports.ts'
import { restrictions } from './i13-restrictions.ts'
import { events } from './i14-events.ts'
import { campaignsEnd } from './l1-campaigns.ts'
import { settled } from './l2-settled.ts'
import { locksGetFree } from './l3-locks.ts'
import { lanesAreEmpty } from './l4-lanes.ts'

/** In the order of the report. I5 and I9 are tests: neither rows nor the log can show them afterwards. */
export const invariants: readonly Invariant[] = [
  onePostPerAttempt,
  acceptedIsInLog,
  logIsInRows,
  webhookEffects,
  statistics,
  consent,
  rateLimit,
  identities,
  accounts,
  imports,
  restrictions,
  events,
  campaignsEnd,
  settled,
  locksGetFree,
  lanesAreEmpty,
]
