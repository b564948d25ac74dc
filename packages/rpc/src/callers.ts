import { type Metadata as GrpcMetadata, ServerInterceptingCall, type ServerInterceptor, ServerListenerBuilder } from '@grpc/grpc-js'
import { allCallers, type Caller, callersOf, failures, type ServiceName } from '@lockstep/contracts'
import type { Logger } from '@lockstep/telemetry'
import type { Metadata } from 'nice-grpc-common'
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

/** Lets a call through whose certificate's subject is a caller of the method; any other is refused before its message is read. */
export function admitCallers(service: ServiceName, log: Logger): ServerInterceptor {
  return ({ path }, call) => {
    const admit = (metadata: GrpcMetadata, next: (metadata: GrpcMetadata) => void) => {
      const subject = call.getAuthContext().sslPeerCertificate?.subject.CN as unknown
      const caller = named(subject)
      if (!caller || !callersOf(service, path).includes(caller)) {
        failedCalls(1, { method: path, failure: 'forbidden' })
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
