import {
  type BaseContext,
  type BaseOverrides,
  createBaseContext,
  createSecrets,
  type FeedSource,
  remoteFeed,
  type Secrets,
  started,
} from '@lockstep/service'
import { createGraphClient, type GraphClient } from '@lockstep/whatsapp'
import type { Config } from './config.ts'
import { entities } from './db/entities.ts'

/** Everything that a door of this service may use. */
export interface Context extends BaseContext {
  config: Config
  secrets: Secrets
  graph: GraphClient
  /** Webhook parts wait in the gateway's feed. */
  webhooks: FeedSource
}

export async function createContext(config: Config, overrides: BaseOverrides = {}): Promise<Context> {
  await using up = new AsyncDisposableStack()
  const base = up.use(await createBaseContext(config, entities, overrides))
  const graph = up.use(createGraphClient({ baseUrl: config.graphUrl, version: config.graphVersion }))
  const webhooks = up.use(remoteFeed(config.gatewayAddress, config.tls))
  return started({ ...base, config, secrets: createSecrets(config.encryptionKey), graph, webhooks }, up)
}
