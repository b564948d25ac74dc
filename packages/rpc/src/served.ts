import type { Caller } from '@lockstep/contracts'
import type { CallContext } from 'nice-grpc'
import type { CompatServiceDefinition } from 'nice-grpc/lib/service-definitions/index.js'

/** What a service serves: its definition, and by method a function of (request, call) and who may call it. */
export interface Served {
  definition: CompatServiceDefinition
  implementation: Record<string, (request: never, context: CallContext) => unknown>
  callers: Readonly<Record<string, readonly Caller[]>>
}
