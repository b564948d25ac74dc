import { connect, type RpcClient } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { CampaignsDefinition } from '@lockstep/rpc/gen/campaigns'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { type BaseContext, type BaseOverrides, createBaseContext, type FeedSource, remoteFeed, started } from '@lockstep/service'
import type { Config } from './config.ts'

/** Everything that a door of this service may use. */
export interface Context extends BaseContext {
  config: Config
  accounts: RpcClient<typeof AccountsDefinition>
  contacts: RpcClient<typeof ContactsDefinition>
  campaigns: RpcClient<typeof CampaignsDefinition>
  /** Webhook parts wait in the gateway's feed. */
  webhooks: FeedSource
}

export async function createContext(config: Config, overrides: BaseOverrides = {}): Promise<Context> {
  await using up = new AsyncDisposableStack()
  const base = up.use(await createBaseContext(config, [], overrides))
  const tls = config.tls ?? undefined
  const accounts = up.use(connect(AccountsDefinition, config.accountsAddress, tls))
  const contacts = up.use(connect(ContactsDefinition, config.contactsAddress, tls))
  const campaigns = up.use(connect(CampaignsDefinition, config.campaignsAddress, tls))
  const webhooks = up.use(remoteFeed(config.gatewayAddress, config.tls))
  return started({ ...base, config, accounts, contacts, campaigns, webhooks }, up)
}
