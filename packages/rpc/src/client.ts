import { type Channel, ChannelCredentials, connectivityState, experimental } from '@grpc/grpc-js'
import { AppError, CallNotSent } from '@lockstep/contracts'
import {
  type CallOptions,
  type Client,
  ClientError,
  createClient,
  Metadata,
  Status,
} from 'nice-grpc'
import type { CompatServiceDefinition } from 'nice-grpc/lib/service-definitions/index.js'
import {
  accountHeader,
  actorHeader,
  actorText,
  type CallWith,
  defaultTimeoutMs,
  failureOfStatus,
  failureTrailer,
  isTooLarge,
  maxMessageBytes,
} from './call.ts'
import { openChannel } from './channel.ts'
import type { GeneratedDefinition } from './definition.ts'
import { repeatedCalls } from './metrics.ts'
import { type TlsFiles, watchTls } from './tls-files.ts'

// biome-ignore lint/suspicious/noExplicitAny: the options of a generated client are ours to replace
type WithCall<F> = F extends (request: infer Request, options?: any) => infer Result
  ? (request: Request, call: CallWith) => Result
  : never

/** A client whose methods take (request, call); failures arrive as AppError. */
export type RpcClient<Definition extends CompatServiceDefinition> = {
  [Name in keyof Client<Definition>]: WithCall<Client<Definition>[Name]>
} & Disposable

/**
 * Connects to a service at `host:port`, or at several with commas between: calls take turns over
 * all addresses. Connections are made by the first call and made again whenever they break.
 */
export function connect<Definition extends CompatServiceDefinition>(
  definition: Definition,
  address: string,
  tls?: TlsFiles,
): RpcClient<Definition> {
  const stack = new DisposableStack()
  const channel = openChannel(address, openCredentials(tls, stack))
  stack.defer(() => channel.close())
  const raw = createClient(definition as CompatServiceDefinition, channel) as unknown as Record<
    string,
    RawMethod
  >
  const client: Record<PropertyKey, unknown> = { [Symbol.dispose]: () => stack.dispose() }
  const { fullName, methods } = definition as unknown as GeneratedDefinition
  for (const [name, method] of Object.entries(methods)) {
    const path = `${fullName}/${method.name}`
    client[name] = method.responseStream
      ? streaming(raw[name]!, path)
      : unary(raw[name]!, path, channel, method.options.idempotencyLevel ? mostTries : 1)
  }
  return client as RpcClient<Definition>
}

type RawMethod = (request: unknown, options: CallOptions) => unknown

function openCredentials(tls: TlsFiles | undefined, stack: DisposableStack): ChannelCredentials {
  if (!tls) return ChannelCredentials.createInsecure()
  const provider = stack.use(watchTls(tls))
  return experimental.createCertificateProviderChannelCredentials(provider, provider)
}

/** Of a call that `proto/` declares to be idempotent, all within its one deadline. */
const mostTries = 3

function unary(method: RawMethod, path: string, channel: Channel, tries: number) {
  return async (request: unknown, call: CallWith) => {
    using bounds = open(call)
    for (let left = tries - 1; ; left--) {
      let wasAnswered = false
      const onTrailer = (trailer: Metadata) => {
        wasAnswered = trailer.has(failureTrailer)
      }
      try {
        await reach(channel, path, bounds.end)
        return await method(request, { ...bounds.options, onTrailer })
      } catch (error) {
        const isBroken = error instanceof ClientError && error.code === Status.UNAVAILABLE
        if (left <= 0 || !isBroken || wasAnswered) throw failureOf(error, call, path)
        repeatedCalls(1, { method: path })
      }
    }
  }
}

/** A caller who gives up isn't kept longer than this. */
const lookAgainMs = 100

/** Throws `CallNotSent`; gRPC says the same of a connection that broke in mid-call. */
async function reach(channel: Channel, path: string, end: AbortSignal): Promise<void> {
  for (;;) {
    const state = channel.getConnectivityState(true)
    if (state === connectivityState.READY || end.aborted) return
    if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN)
      throw new CallNotSent(path)
    await new Promise<void>((changed) =>
      channel.watchConnectivityState(state, Date.now() + lookAgainMs, () => changed()),
    )
  }
}

/** The deadline begins with the reading, and ends with it, also when the reader breaks off. */
function streaming(method: RawMethod, path: string) {
  return async function* (request: unknown, call: CallWith) {
    using bounds = open(call)
    try {
      yield* method(request, bounds.options) as AsyncIterable<unknown>
    } catch (error) {
      throw failureOf(error, call, path)
    }
  }
}

/** The server gives up this much later, so that its caller says first that time is over. */
const serverGraceMs = 500

/** gRPC's form of a time: at most 8 digits and a unit. */
const timeoutHeader = (ms: number): string => `${Math.min(99_999_999, Math.ceil(ms))}m`

/** Nothing of the call outlives its signal or deadline, on either side. */
function open(call: CallWith): Disposable & { options: CallOptions; end: AbortSignal } {
  const timeoutMs = call.timeoutMs ?? defaultTimeoutMs
  const metadata = new Metadata({ 'grpc-timeout': timeoutHeader(timeoutMs + serverGraceMs) })
  if (call.accountId) metadata.set(accountHeader, call.accountId)
  if (call.actor) metadata.set(actorHeader, actorText(call.actor))
  const end = new AbortController()
  const giveUp = () => end.abort()
  const deadline = setTimeout(giveUp, timeoutMs)
  if (call.signal?.aborted) giveUp()
  call.signal?.addEventListener('abort', giveUp)
  return {
    options: { metadata, signal: end.signal },
    end: end.signal,
    [Symbol.dispose]() {
      clearTimeout(deadline)
      call.signal?.removeEventListener('abort', giveUp)
    },
  }
}

/** One that was cut off on our side may have had its effect. */
function failureOf(error: unknown, call: CallWith, path: string): unknown {
  if (error instanceof ClientError && isTooLarge(error.code, error.details))
    return new AppError(
      'too_large',
      `The call ${path} carries more than ${maxMessageBytes / 1024 / 1024} MB; ask for less at a time`,
      {
        cause: error,
        details: { path },
      },
    )
  if (error instanceof ClientError)
    return new AppError(failureOfStatus(error.code), error.details, {
      cause: error,
      details: { path },
    })
  if (!(error instanceof Error) || error.name !== 'AbortError') return error
  const reason: unknown = call.signal?.aborted ? call.signal.reason : undefined
  if (reason instanceof AppError) return reason
  const what = reason
    ? 'was given up by its caller'
    : `took longer than ${call.timeoutMs ?? defaultTimeoutMs} ms`
  return new AppError('timeout', `The call ${path} ${what}; what it did is not known`, {
    cause: reason ?? error,
  })
}
