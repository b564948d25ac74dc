import { connect, type RpcClient } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { createInFlight, type SendContext } from '@lockstep/sending'
import {
  type BaseContext,
  type BaseOverrides,
  createBaseContext,
  createSecrets,
  type FeedSource,
  localFeed,
  remoteFeed,
  type Secrets,
  started,
} from '@lockstep/service'
import { createGraphClient, createTokens } from '@lockstep/whatsapp'
import type { Config } from './config.ts'
import { entities } from './db/entities.ts'

/** How long a POST may take before its outcome is unknown, ms. */
const graphTimeoutMs = 10_000

/** Everything that a door of this service may use. */
export interface Context extends BaseContext, SendContext {
  log: BaseContext['log']
  config: Config
  secrets: Secrets
  /** How long a POST may take before its outcome is unknown, ms. */
  graphTimeoutMs: number
  /** So long after its claim an attempt without an outcome has lost its process, ms. */
  staleAfterMs: number
  accounts: RpcClient<typeof AccountsDefinition>
  templates: RpcClient<typeof TemplatesDefinition>
  /** Knows whether what people reply is heard. */
  gateway: RpcClient<typeof WebhookGatewayDefinition>
  /** Webhook parts wait in the gateway's feed. */
  webhooks: FeedSource
  /** Campaigns with something to do wait in our own. */
  feed: FeedSource
  /** How many campaigns of each account are being prepared in this process. */
  preparing: Map<string, number>
}

export async function createContext(config: Config, overrides: BaseOverrides = {}): Promise<Context> {
  await using up = new AsyncDisposableStack()
  const base = up.use(await createBaseContext(config, entities, overrides))
  const { addresses, tls } = config
  const timeoutMs = graphTimeoutMs * base.scale
  const connections = config.sendSockets
  return started(
    {
      ...base,
      config,
      secrets: createSecrets(config.encryptionKey),
      tokens: overrides.tokens ?? createTokens(config.platformKey),
      graph: up.use(createGraphClient({ baseUrl: config.graphUrl, version: config.graphVersion, timeoutMs, connections })),
      graphTimeoutMs: timeoutMs,
      staleAfterMs: 2 * timeoutMs,
      inFlight: up.use(createInFlight({ maxSockets: connections, maxOfOwner: config.sendConcurrency })),
      accounts: up.use(connect(AccountsDefinition, addresses.accounts, tls ?? undefined)),
      contacts: up.use(connect(ContactsDefinition, addresses.contacts, tls ?? undefined)),
      templates: up.use(connect(TemplatesDefinition, addresses.templates, tls ?? undefined)),
      gateway: up.use(connect(WebhookGatewayDefinition, addresses.gateway, tls ?? undefined)),
      webhooks: up.use(remoteFeed(addresses.gateway, tls)),
      feed: localFeed(base),
      preparing: new Map<string, number>(),
      closing: new AbortController(),
    },
    up,
  )
}
