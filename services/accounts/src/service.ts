import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { open } from './context.ts'
import { entities } from './db/entities.ts'
import { migrations } from './db/migrations.ts'
import { forgetAuditEntries } from './jobs/forget-audit-entries.ts'
import { forgetEvents } from './jobs/forget-events.ts'
import { forgetSignIns } from './jobs/forget-sign-ins.ts'
import { forgetSignUps } from './jobs/forget-sign-ups.ts'
import { watchTokens, watchTokensEveryMs } from './jobs/watch-tokens.ts'
import { accountUpdate } from './lanes/account-update.ts'
import { mail } from './lanes/mail.ts'
import { acrossAccounts, callers, methods } from './rpc/index.ts'
import { times } from './times.ts'

export const accountsService = defineService({
  name: 'accounts',
  config,
  migrations,
  entities,
  times,
  open,
  rpc: { definition: AccountsDefinition, methods, callers, acrossAccounts },
  lanes: { 'webhooks.account': accountUpdate, 'accounts.mail': mail },
  jobs: { 'watch-tokens': [watchTokensEveryMs, watchTokens] },
  retention: {
    'forget-audit-entries': forgetAuditEntries,
    'forget-events': forgetEvents,
    'forget-sign-ins': forgetSignIns,
    'forget-sign-ups': forgetSignUps,
  },
})
