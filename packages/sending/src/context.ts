import type { Limiter } from '@lockstep/locks'
import type { Peers } from '@lockstep/rpc'
import type { GraphClient, Tokens } from '@lockstep/whatsapp'
import type { InFlight } from './in-flight.ts'

interface Log {
  error(fields: object, message: string): void
}

/** What sending uses of a service. */
export interface SendContext {
  log: Log
  /** The platform's clock, ms. */
  now(): number
  /** Multiplies every time, for tests. */
  scale: number
  limiter: Limiter
  graph: GraphClient
  tokens: Tokens
  peers: Peers<'contacts'>
  inFlight: InFlight
  /** Aborts when the service ends and waits no longer for a database that is away. */
  closing: AbortController
}
