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
import type { times } from './times.ts'

export const peers = ['accounts', 'contacts', 'templates', 'webhook-gateway'] as const
type Base = ServiceContext<Config, (typeof peers)[number], typeof times>

interface Own extends Omit<SendContext, keyof Base> {
  secrets: Secrets
  /** How many campaigns of each account are being prepared in this process. */
  preparing: Map<string, number>
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

/** Answers of Meta and their outcomes are waited for so much longer than a call takes. */
const drainMarginMs = 2_000

export function open(
  { config, times }: Base,
  stack: AsyncDisposableStack,
  overrides: BaseOverrides,
): Own {
  const { graphTimeoutMs: timeoutMs } = times
  const { graphUrl: baseUrl, graphVersion: version, sendSockets, sendConcurrency } = config
  const graph = stack.use(
    createGraphClient({ baseUrl, version, timeoutMs, maxSockets: sendSockets }),
  )
  const inFlight = stack.use(
    createInFlight({ maxSockets: sendSockets, maxOfOwner: sendConcurrency }),
  )
  const closing = new AbortController()
  stack.defer(async () => {
    const enough = delay(timeoutMs + drainMarginMs, undefined, { ref: false })
    await Promise.race([inFlight.drain(), enough])
    closing.abort()
  })
  return {
    secrets: createSecrets(config.encryptionKey),
    tokens: overrides.tokens ?? createTokens(config.platformKey),
    graph,
    inFlight,
    preparing: new Map<string, number>(),
    closing,
  }
}
