import { type BaseContext, type BaseOverrides, createBaseContext, type FeedSource, localFeed, remoteFeed, started } from '@lockstep/service'
import type { Config } from './config.ts'
import { entities } from './db/entities.ts'

/** Everything that a door of this service may use. */
export interface Context extends BaseContext {
  config: Config
  /** Imports wait in our own feed. */
  ownFeed: FeedSource
  /** What sending taught waits in the feed of campaigns. */
  campaigns: FeedSource
}

export async function createContext(config: Config, overrides: BaseOverrides = {}): Promise<Context> {
  await using up = new AsyncDisposableStack()
  const base = up.use(await createBaseContext(config, entities, overrides))
  const campaigns = up.use(remoteFeed(config.campaignsAddress, config.tls))
  return started({ ...base, config, ownFeed: localFeed(base), campaigns }, up)
}
