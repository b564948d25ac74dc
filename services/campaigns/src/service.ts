import { CampaignsDefinition } from '@lockstep/rpc/gen/campaigns'
import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { open, peers } from './context.ts'
import { entities } from './db/entities.ts'
import { migrations } from './db/migrations.ts'
import { announceProgress, announceProgressEveryMs } from './jobs/announce-progress.ts'
import { expireSending } from './jobs/expire-sending.ts'
import { forgetCampaigns } from './jobs/forget-campaigns.ts'
import { forgetContacts } from './lanes/forget-contacts.ts'
import { messageStatus } from './lanes/message-status.ts'
import { runCampaign } from './lanes/run-campaign.ts'
import { acrossAccounts, callers, methods } from './rpc/index.ts'
import { times } from './times.ts'

export const campaignsService = defineService({
  name: 'campaigns',
  config,
  migrations,
  entities,
  peers,
  times,
  open,
  rpc: { definition: CampaignsDefinition, methods, callers, acrossAccounts },
  lanes: {
    'campaigns.run': runCampaign,
    'campaigns.forget': forgetContacts,
    'webhooks.campaign': messageStatus,
  },
  jobs: {
    'expire-sending': [5_000, expireSending],
    'announce-progress': [announceProgressEveryMs, announceProgress],
  },
  retention: { 'forget-campaigns': forgetCampaigns },
})
