import { TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { open, peers } from './context.ts'
import { entities } from './db/entities.ts'
import { migrations } from './db/migrations.ts'
import { forgetSyncs } from './jobs/forget-syncs.ts'
import { sync } from './lanes/sync.ts'
import { templateUpdate } from './lanes/template-update.ts'
import { callers, methods } from './rpc/index.ts'
import { times } from './times.ts'

export const templatesService = defineService({
  name: 'templates',
  config,
  migrations,
  entities,
  peers,
  times,
  open,
  rpc: { definition: TemplatesDefinition, methods, callers },
  lanes: { 'templates.sync': sync, 'webhooks.template': templateUpdate },
  retention: { 'forget-syncs': forgetSyncs },
})
