import { connect, type RpcClient } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { type BaseContext, type BaseOverrides, createBaseContext, createSecrets, started } from '@lockstep/service'
import { createTokens, type Tokens } from '@lockstep/whatsapp'
import { type Apps, watchApps } from './apps.ts'
import type { Config } from './config.ts'

/** Everything that a door of this service may use. */
export interface Context extends BaseContext {
  config: Config
  tokens: Tokens
  apps: Apps
  accounts: RpcClient<typeof AccountsDefinition>
}

export async function createContext(config: Config, overrides: BaseOverrides = {}): Promise<Context> {
  await using up = new AsyncDisposableStack()
  const base = up.use(await createBaseContext(config, [], overrides))
  const accounts = up.use(connect(AccountsDefinition, config.accountsAddress, config.tls ?? undefined))
  const apps = up.use(watchApps({ ...base, accounts, secrets: createSecrets(config.encryptionKey) }))
  return started({ ...base, config, tokens: overrides.tokens ?? createTokens(config.platformKey), apps, accounts }, up)
}
