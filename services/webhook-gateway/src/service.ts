import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { open, peers } from './context.ts'
import { migrations } from './db/migrations.ts'
import { openGroupCommit } from './intake/group-commit.ts'
import { serveWebhooks } from './intake/webhook-server.ts'
import { maintainDayTables, maintainDayTablesEveryMs } from './jobs/maintain-day-tables.ts'
import { webhookAdopt } from './lanes/webhook-adopt.ts'
import { partsFeed } from './parts/feed.ts'
import { acrossAccounts, callers, methods } from './rpc/index.ts'
import { times } from './times.ts'

export const webhookGatewayService = defineService({
  name: 'webhook-gateway',
  config,
  migrations,
  peers,
  times,
  open,
  rpc: { definition: WebhookGatewayDefinition, methods, callers, acrossAccounts },
  lanes: { 'webhooks.adopt': webhookAdopt },
  jobs: { 'maintain-day-tables': [maintainDayTablesEveryMs, maintainDayTables] },
  feed: partsFeed,
  http: (ctx, stack) => serveWebhooks(ctx, stack.use(openGroupCommit(ctx))),
})
