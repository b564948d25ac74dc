import { readFileSync } from 'node:fs'
import { ChannelCredentials } from '@grpc/grpc-js'
import { AppError } from '@lockstep/contracts'
import { type Client, ClientError, createChannel, createClient } from 'nice-grpc'
import type { CompatServiceDefinition } from 'nice-grpc/lib/service-definitions/index.js'
import { type CallWith, failureOfStatus, grpcOptions } from './call.ts'
import type { TlsFiles } from './server.ts'

// biome-ignore lint/suspicious/noExplicitAny: the options of a generated client are ours to replace
type WithCall<F> = F extends (request: infer Request, options?: any) => infer Result ? (request: Request, call: CallWith) => Result : never

/** A client whose methods take (request, call); failures arrive as AppError. */
export type RpcClient<Definition extends CompatServiceDefinition> = {
  [Name in keyof Client<Definition>]: WithCall<Client<Definition>[Name]>
} & Disposable

/** Connects to a service at host:port; the connection is made by the first call and made again whenever it breaks. */
export function connect<Definition extends CompatServiceDefinition>(
  definition: Definition,
  address: string,
  tls?: TlsFiles,
): RpcClient<Definition> {
  const channel = createChannel(address, tls ? ChannelCredentials.createSsl(...read(tls)) : ChannelCredentials.createInsecure(), {
    'grpc.max_receive_message_length': 16 * 1024 * 1024,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    'grpc.keepalive_time_ms': 20_000,
  })
  const raw = createClient(definition as CompatServiceDefinition, channel) as Record<
    string,
    (request: unknown, options: unknown) => unknown
  >
  const client: Record<PropertyKey, unknown> = { [Symbol.dispose]: () => channel.close() }
  for (const name of Object.keys(raw)) client[name] = (request: unknown, call: CallWith) => mapped(raw[name]!(request, grpcOptions(call)))
  return client as RpcClient<Definition>
}

const read = (tls: TlsFiles) => [readFileSync(tls.ca), readFileSync(tls.key), readFileSync(tls.cert)] as const

function mapped(result: unknown): unknown {
  if (result instanceof Promise) return result.catch(rethrow)
  return mappedStream(result as AsyncIterable<unknown>)
}

async function* mappedStream(stream: AsyncIterable<unknown>): AsyncIterable<unknown> {
  try {
    yield* stream
  } catch (error) {
    rethrow(error)
  }
}

function rethrow(error: unknown): never {
  if (error instanceof ClientError) throw new AppError(failureOfStatus(error.code), error.details, { cause: error })
  // Our own deadline or the caller's signal: nothing is known about the call's effect.
  if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError'))
    throw new AppError('timeout', 'The call took longer than its deadline', { cause: error })
  throw error
}
