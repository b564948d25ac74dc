import { connect, type RpcClient } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import {
  type BaseContext,
  type BaseOverrides,
  createBaseContext,
  createSecrets,
  type FeedSource,
  remoteFeed,
  started,
} from '@lockstep/service'
import { createTokens, type Tokens } from '@lockstep/whatsapp'
import { type Apps, watchApps } from './apps.ts'
import { type Claims, openClaims } from './claims.ts'
import type { Config } from './config.ts'
import { type Numbers, openNumbers } from './numbers.ts'

/** Everything that a door of this service may use. */
export interface Context extends BaseContext {
  config: Config
  tokens: Tokens
  apps: Apps
  claims: Claims
  numbers: Numbers
  accounts: RpcClient<typeof AccountsDefinition>
  /** New connections wait in the feed of accounts. */
  connections: FeedSource
}

export async function createContext(config: Config, overrides: BaseOverrides = {}): Promise<Context> {
  await using up = new AsyncDisposableStack()
  const base = up.use(await createBaseContext(config, [], overrides))
  const accounts = up.use(connect(AccountsDefinition, config.accountsAddress, config.tls ?? undefined))
  const connections = up.use(remoteFeed(config.accountsAddress, config.tls))
  const claims = up.use(openClaims({ ...base, accounts }))
  const numbers = up.use(openNumbers({ ...base, accounts }))
  const secrets = createSecrets(config.encryptionKey)
  const apps = up.use(watchApps({ ...base, accounts, secrets, onGained: claims.claim }))
  const tokens = overrides.tokens ?? createTokens(config.platformKey)
  return started({ ...base, config, tokens, apps, claims, numbers, accounts, connections }, up)
}
