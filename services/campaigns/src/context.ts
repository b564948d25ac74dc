import { setTimeout as delay } from 'node:timers/promises'
import { createInFlight, type SendContext } from '@lockstep/sending'
import {
  type BaseOverrides,
  createSecrets,
  type Secrets,
  type ServiceContext,
} from '@lockstep/service'
import { createGraphClient, createTokens } from '@lockstep/whatsapp'
import type { Config } from './config.ts'

/** How long a POST may take before its outcome is unknown, ms. */
const graphTimeoutMs = 10_000

export const peers = ['accounts', 'contacts', 'templates', 'webhook-gateway'] as const
type Base = ServiceContext<Config, (typeof peers)[number]>

interface Own extends Omit<SendContext, keyof Base> {
  secrets: Secrets
  /** How long a POST may take before its outcome is unknown, ms. */
  graphTimeoutMs: number
  /** So long after its claim an attempt without an outcome has lost its process, ms. */
  staleAfterMs: number
  /** How many campaigns of each account are being prepared in this process. */
  preparing: Map<string, number>
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

export function open(
  { config, scale }: Base,
  stack: AsyncDisposableStack,
  overrides: BaseOverrides,
): Own {
  const timeoutMs = graphTimeoutMs * scale
  const { graphUrl: baseUrl, graphVersion: version, sendSockets, sendConcurrency } = config
  const graph = stack.use(
    createGraphClient({ baseUrl, version, timeoutMs, connections: sendSockets }),
  )
  const inFlight = stack.use(
    createInFlight({ maxSockets: sendSockets, maxOfOwner: sendConcurrency }),
  )
  const closing = new AbortController()
  stack.defer(async () => {
    // Answers and their outcomes are waited for, but not for ever: the database may be away.
    await Promise.race([inFlight.drain(), delay(timeoutMs + 2_000, undefined, { ref: false })])
    closing.abort()
  })
  return {
    secrets: createSecrets(config.encryptionKey),
    tokens: overrides.tokens ?? createTokens(config.platformKey),
    graph,
    graphTimeoutMs: timeoutMs,
    staleAfterMs: 2 * timeoutMs,
    inFlight,
    preparing: new Map<string, number>(),
    closing,
  }
}
