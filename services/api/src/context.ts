import { connect, type RpcClient } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { CampaignsDefinition } from '@lockstep/rpc/gen/campaigns'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { ConversationsDefinition } from '@lockstep/rpc/gen/conversations'
import { TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import { type BaseContext, type BaseOverrides, createBaseContext, started } from '@lockstep/service'
import { createKeyRing, type KeyRing } from './api-key.ts'
import type { Config } from './config.ts'

/** Everything that a door of this service may use. */
export interface Context extends BaseContext {
  config: Config
  accounts: RpcClient<typeof AccountsDefinition>
  contacts: RpcClient<typeof ContactsDefinition>
  templates: RpcClient<typeof TemplatesDefinition>
  campaigns: RpcClient<typeof CampaignsDefinition>
  conversations: RpcClient<typeof ConversationsDefinition>
  keys: KeyRing
}

export async function createContext(config: Config, overrides: BaseOverrides = {}): Promise<Context> {
  await using up = new AsyncDisposableStack()
  const base = up.use(await createBaseContext(config, [], overrides))
  const { addresses } = config
  const tls = config.tls ?? undefined
  const accounts = up.use(connect(AccountsDefinition, addresses.accounts, tls))
  return started(
    {
      ...base,
      config,
      accounts,
      contacts: up.use(connect(ContactsDefinition, addresses.contacts, tls)),
      templates: up.use(connect(TemplatesDefinition, addresses.templates, tls)),
      campaigns: up.use(connect(CampaignsDefinition, addresses.campaigns, tls)),
      conversations: up.use(connect(ConversationsDefinition, addresses.conversations, tls)),
      keys: createKeyRing({ accounts, now: base.now, scale: base.scale }),
    },
    up,
  )
}
