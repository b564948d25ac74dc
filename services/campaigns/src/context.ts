import { connect, type RpcClient } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { TemplatesDefinition } from '@lockstep/rpc/gen/templates'
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
import { createGraphClient, createTokens, type GraphClient, type Tokens } from '@lockstep/whatsapp'
import type { Config } from './config.ts'
import { entities } from './db/entities.ts'

/** How long a POST may take before its outcome is unknown, ms. */
const graphTimeoutMs = 10_000

/** Everything that a door of this service may use. */
export interface Context extends BaseContext {
  config: Config
  secrets: Secrets
  tokens: Tokens
  graph: GraphClient
  /** How long a POST may take before its outcome is unknown, ms. */
  graphTimeoutMs: number
  accounts: RpcClient<typeof AccountsDefinition>
  contacts: RpcClient<typeof ContactsDefinition>
  templates: RpcClient<typeof TemplatesDefinition>
  /** Webhook parts wait in the gateway's feed. */
  webhooks: FeedSource
  /** Campaigns with something to do wait in our own. */
  feed: FeedSource
  /** Messages of each campaign that are under way, also after their slice has ended; a stop waits for them. */
  underWay: Map<string, Set<Promise<void>>>
  /** How many campaigns of each account are being prepared in this process. */
  preparing: Map<string, number>
  /** Aborts when the service ends and waits no longer for a database that is away. */
  closing: AbortController
}

export async function createContext(config: Config, overrides: BaseOverrides = {}): Promise<Context> {
  await using up = new AsyncDisposableStack()
  const base = up.use(await createBaseContext(config, entities, overrides))
  const { addresses, tls } = config
  const timeoutMs = graphTimeoutMs * base.scale
  const connections = config.sendConcurrency
  return started(
    {
      ...base,
      config,
      secrets: createSecrets(config.encryptionKey),
      tokens: overrides.tokens ?? createTokens(config.platformKey),
      graph: up.use(createGraphClient({ baseUrl: config.graphUrl, version: config.graphVersion, timeoutMs, connections })),
      graphTimeoutMs: timeoutMs,
      accounts: up.use(connect(AccountsDefinition, addresses.accounts, tls ?? undefined)),
      contacts: up.use(connect(ContactsDefinition, addresses.contacts, tls ?? undefined)),
      templates: up.use(connect(TemplatesDefinition, addresses.templates, tls ?? undefined)),
      webhooks: up.use(remoteFeed(addresses.gateway, tls)),
      feed: localFeed(base),
      underWay: new Map<string, Set<Promise<void>>>(),
      preparing: new Map<string, number>(),
      closing: new AbortController(),
    },
    up,
  )
}
