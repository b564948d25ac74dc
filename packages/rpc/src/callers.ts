import {
  type Metadata as GrpcMetadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from '@grpc/grpc-js'
import { allCallers, type Caller, failures } from '@lockstep/contracts'
import type { Logger } from '@lockstep/telemetry'
import type { Metadata } from 'nice-grpc-common'
import type { BoundService } from './bound-service.ts'
import type { GeneratedDefinition } from './definition.ts'
import { failedCalls } from './metrics.ts'

/** Set by the server itself, over whatever the client has sent. */
const callerHeader = 'lockstep-caller'

/** Who makes a call, as its certificate said. */
export function callerOf(metadata: Metadata): Caller | undefined {
  return named(metadata.get(callerHeader))
}

/** A subject with several names is nobody's. */
function named(name: unknown): Caller | undefined {
  return allCallers.find((caller) => caller === name)
}

type ServerCall = Parameters<ServerInterceptor>[1]

/** Asked once a connection: to read a certificate costs as much as a small call. */
function openIdentities(): (call: ServerCall) => unknown {
  const subjects = new WeakMap<object, unknown>()
  const read = (call: ServerCall): unknown => call.getAuthContext().sslPeerCertificate?.subject.CN
  return (call) => {
    // Not part of grpc-js' interface: where it has no such member, the certificate is read for each
    // call.
    const { session } = (call as { stream?: { session?: object } }).stream ?? {}
    if (!session) return read(call)
    if (!subjects.has(session)) subjects.set(session, read(call))
    return subjects.get(session)
  }
}

/** Who may call each method, by its path as gRPC writes it: `/lockstep.feed.v1.Feed/Take`. */
function callersByPath(
  served: readonly Pick<BoundService, 'definition' | 'callers'>[],
): Map<string, readonly Caller[]> {
  return new Map(
    served.flatMap(({ definition, callers }) => {
      const { fullName, methods } = definition as unknown as GeneratedDefinition
      return Object.entries(methods).map(([name, method]) => [
        `/${fullName}/${method.name}`,
        callers[name] ?? [],
      ])
    }),
  )
}

/** Refuses a call, before its message is read, unless its certificate may make it. */
export function admitCallers(served: readonly BoundService[], log: Logger): ServerInterceptor {
  const subjectOf = openIdentities()
  const allowed = callersByPath(served)
  return ({ path }, call) => {
    const admit = (metadata: GrpcMetadata, next: (metadata: GrpcMetadata) => void) => {
      const subject = subjectOf(call)
      const caller = named(subject)
      if (!caller || !allowed.get(path)?.includes(caller)) {
        const method = allowed.has(path) ? path : 'unknown'
        failedCalls(1, { method, failure: 'forbidden' })
        log.warn({ method: path, subject }, 'A call is refused: its certificate may not make it')
        const details = `The certificate of ${caller ?? 'nobody that is known here'} may not call ${path}`
        return call.sendStatus({ code: failures.forbidden.grpc, details })
      }
      metadata.set(callerHeader, caller)
      next(metadata)
    }
    const listener = new ServerListenerBuilder().withOnReceiveMetadata(admit).build()
    return new ServerInterceptingCall(call, { start: (next) => next(listener) })
  }
}
