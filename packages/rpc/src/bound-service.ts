import type { Caller } from '@lockstep/contracts'
import type { CallContext } from 'nice-grpc'
import type { CompatServiceDefinition } from 'nice-grpc/lib/service-definitions/index.js'

/** A definition, its methods, and who may call each. */
export interface BoundService {
  definition: CompatServiceDefinition
  implementation: Record<string, (request: never, context: CallContext) => unknown>
  callers: Readonly<Record<string, readonly Caller[]>>
}
