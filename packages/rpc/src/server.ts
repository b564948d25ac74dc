import {
  type ChannelOptions,
  experimental,
  ServerCredentials,
  type ServerOptions,
} from '@grpc/grpc-js'
import { failureOf, failures, messageOf } from '@lockstep/contracts'
import type { Logger } from '@lockstep/telemetry'
import { type CallContext, createServer, ServerError, type ServerMiddlewareCall } from 'nice-grpc'
import { Status } from 'nice-grpc-common'
import { HealthDefinition } from '../gen/grpc/health/v1/health.ts'
import type { BoundService } from './bound-service.ts'
import { failureTrailer, maxMessageBytes } from './call.ts'
import { admitCallers } from './callers.ts'
import { requireDeadline } from './deadlines.ts'
import type { GeneratedDefinition } from './definition.ts'
import { healthService } from './health.ts'
import { failedCalls } from './metrics.ts'
import { reflectionService } from './reflection.ts'
import { type TlsFiles, watchTls } from './tls-files.ts'

export interface RpcServer extends AsyncDisposable {
  port: number
}

/** Calls that still run this long after the server was told to close are cut off. */
const shutdownMs = 5_000

/** An older connection takes no new calls, so that clients find new replicas. */
const connectionAge = { maxMs: 60_000, graceMs: 3_600_000 }

export interface ServeOptions {
  host: string
  /** 0 = any free one. */
  port: number
  served: BoundService[]
  log: Logger
  tls?: TlsFiles
  /** What gRPC's health protocol answers; always when absent. */
  isReady?: () => Promise<boolean>
  /** Another age of connections, for tests. */
  maxConnectionAgeMs?: number
}

/** Closing refuses new calls and lets running ones finish. */
export async function serve(options: ServeOptions): Promise<RpcServer> {
  await using stack = new AsyncDisposableStack()
  const closing = new AbortController()
  const served = [...options.served, ...ownServices(options, closing.signal)]
  const settings: ServerOptions = {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_connection_age_ms': options.maxConnectionAgeMs ?? connectionAge.maxMs,
    'grpc.max_connection_age_grace_ms': connectionAge.graceMs,
    interceptors: [requireDeadline, ...(options.tls ? [admitCallers(served, options.log)] : [])],
  }
  const server = createServer(settings as ChannelOptions).use(errors(options.log))
  for (const { definition, implementation } of served)
    server.add(definition, implementation as never)
  const credentials = openCredentials(options.tls, stack)
  stack.defer(async () => {
    closing.abort()
    const force = setTimeout(() => server.forceShutdown(), shutdownMs)
    await server.shutdown().finally(() => clearTimeout(force))
  })
  const port = await server.listen(`${options.host}:${options.port}`, credentials)
  const opened = stack.move()
  return { port, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** What every server serves beside its own methods. */
function ownServices(options: ServeOptions, closing: AbortSignal): BoundService[] {
  const names = options.served.map(
    ({ definition }) => (definition as unknown as GeneratedDefinition).fullName,
  )
  const health = healthService({
    ...{ names, closing },
    isReady: options.isReady ?? (async () => true),
  })
  return [health, reflectionService([...names, HealthDefinition.fullName])]
}

function openCredentials(
  tls: TlsFiles | undefined,
  stack: AsyncDisposableStack,
): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure()
  const provider = stack.use(watchTls(tls))
  return experimental.createCertificateProviderServerCredentials(provider, provider, true)
}

/** A status travels in a header, and grpc-js takes headers up to 8 kB with every letter escaped. */
const maxMessage = 500

/** What isn't an AppError is logged and leaves as "internal error". */
function errors(log: Logger) {
  return async function* <Request, Response>(
    call: ServerMiddlewareCall<Request, Response>,
    context: CallContext,
  ) {
    try {
      return yield* call.next(call.request, context)
    } catch (error) {
      if (context.signal.aborted) throw new ServerError(Status.CANCELLED, 'The caller has given up') // nobody listens any more
      const failure = failureOf(error)
      context.trailer.set(failureTrailer, failure)
      failedCalls(1, { method: call.method.path, failure })
      if (failure === 'internal')
        log.error({ err: error, method: call.method.path }, 'A call failed')
      const message = messageOf(error).slice(0, maxMessage).toWellFormed()
      throw new ServerError(failures[failure].grpc, message)
    }
  }
}
