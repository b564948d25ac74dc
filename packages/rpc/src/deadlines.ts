import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from '@grpc/grpc-js'
import { failures } from '@lockstep/contracts'
import { failedCalls } from './metrics.ts'

/** gRPC's own protocols, whose clients are not ours: a watch of a state has no end. */
const withoutDeadline = /^\/grpc\./

/** Refuses a call without a deadline: who waits without an end holds what it took for ever. */
export const requireDeadline: ServerInterceptor = ({ path }, call) => {
  const admit = (metadata: Metadata, next: (metadata: Metadata) => void) => {
    if (call.getDeadline() !== Number.POSITIVE_INFINITY || withoutDeadline.test(path))
      return next(metadata)
    failedCalls(1, { method: path, failure: 'invalid' })
    const details = `The call ${path} has no deadline; send "grpc-timeout"`
    return call.sendStatus({ code: failures.invalid.grpc, details })
  }
  const listener = new ServerListenerBuilder().withOnReceiveMetadata(admit).build()
  return new ServerInterceptingCall(call, { start: (next) => next(listener) })
}
