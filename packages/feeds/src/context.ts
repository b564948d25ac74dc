import type { ServiceName } from '@lockstep/contracts'
import type { Database } from '@lockstep/database'
import type { Messaging } from '@lockstep/messaging'
import type { Logger } from '@lockstep/telemetry'

/** What feeds and lanes need of a service's context. */
export interface FeedContext {
  config: { service: ServiceName; drainMs: number }
  log: Logger
  db: Pick<Database, 'system' | 'transaction'>
  messaging: Messaging
  /** All times (waits, sweeps) are multiplied by it; 1 but in tests. */
  scale: number
}
