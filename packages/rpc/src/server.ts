import { readFileSync } from 'node:fs'
import { type ChannelOptions, ServerCredentials, type ServerOptions } from '@grpc/grpc-js'
import { type Caller, failureOf, failures, messageOf } from '@lockstep/contracts'
import type { Logger } from '@lockstep/telemetry'
import {
  type CallContext,
  createServer,
  ServerError,
  type ServerMiddlewareCall,
  type ServiceImplementation,
} from 'nice-grpc'
import type { CompatServiceDefinition } from 'nice-grpc/lib/service-definitions/index.js'
import { Status } from 'nice-grpc-common'
import type { BoundService } from './bound-service.ts'
import { accountOf, type Call, maxMessageBytes, requireAccount } from './call.ts'
import { admitCallers, callerOf } from './callers.ts'
import { failedCalls } from './metrics.ts'

/** Files of a mutual TLS identity; without it a server speaks plain text. */
export interface TlsFiles {
  ca: string
  cert: string
  key: string
}

export interface RpcServer extends AsyncDisposable {
  port: number
}

/** Every method of a definition, each taking (ctx, request, call). */
export type MethodsOf<Definition extends CompatServiceDefinition, Context> = {
  [Name in keyof ServiceImplementation<Definition>]: ServiceImplementation<Definition>[Name] extends (
    request: infer Request,
    context: CallContext,
  ) => infer Result
    ? (ctx: Context, request: Request, call: Call) => Result
    : never
}

/** The names of a definition's methods. */
export type MethodName<Definition extends CompatServiceDefinition> =
  keyof ServiceImplementation<Definition> & string

export interface BindOptions<Definition extends CompatServiceDefinition> {
  /** Who may call each method. */
  callers: Readonly<Record<MethodName<Definition>, readonly Caller[]>>
  /** Methods that act for no account, or for several. */
  acrossAccounts?: readonly MethodName<Definition>[]
}

type AnyMethod = (ctx: unknown, request: unknown, call: Call) => unknown

/** Each method acts for an account unless it is named in `acrossAccounts`. */
export function bind<Definition extends CompatServiceDefinition, Context>(
  definition: Definition,
  ctx: Context,
  methods: MethodsOf<Definition, Context>,
  { callers, acrossAccounts = [] }: BindOptions<Definition>,
): BoundService {
  const implementation: BoundService['implementation'] = {}
  for (const [name, method] of Object.entries(methods) as [string, AnyMethod][]) {
    const needsAccount = !(acrossAccounts as readonly string[]).includes(name)
    implementation[name] = (request, context) => {
      const caller = callerOf(context.metadata)
      const call: Call = {
        accountId: accountOf(context.metadata),
        signal: context.signal,
        ...(caller && { caller }),
      }
      if (needsAccount) requireAccount(call)
      return method(ctx, request, call)
    }
  }
  return { definition, implementation, callers }
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
  /** Another age of connections, for tests. */
  maxConnectionAgeMs?: number
}

/** Closing refuses new calls and lets running ones finish. */
export async function serve(options: ServeOptions): Promise<RpcServer> {
  const settings: ServerOptions = {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_connection_age_ms': options.maxConnectionAgeMs ?? connectionAge.maxMs,
    'grpc.max_connection_age_grace_ms': connectionAge.graceMs,
    ...(options.tls && { interceptors: [admitCallers(options.served, options.log)] }),
  }
  const server = createServer(settings as ChannelOptions).use(errors(options.log))
  for (const { definition, implementation } of options.served)
    server.add(definition, implementation as never)
  const port = await server.listen(`${options.host}:${options.port}`, credentials(options.tls))
  return {
    port,
    async [Symbol.asyncDispose]() {
      const force = setTimeout(() => server.forceShutdown(), shutdownMs)
      await server.shutdown().finally(() => clearTimeout(force))
    },
  }
}

function credentials(tls: TlsFiles | undefined): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure()
  const pair = { cert_chain: readFileSync(tls.cert), private_key: readFileSync(tls.key) }
  return ServerCredentials.createSsl(readFileSync(tls.ca), [pair], true)
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
      failedCalls(1, { method: call.method.path, failure })
      if (failure === 'internal')
        log.error({ err: error, method: call.method.path }, 'A call failed')
      throw new ServerError(failures[failure].grpc, messageOf(error).slice(0, maxMessage))
    }
  }
}
