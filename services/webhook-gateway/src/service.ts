import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { open, peers } from './context.ts'
import { migrations } from './db/migrations.ts'
import { partsFeed } from './feed.ts'
import { serveWebhooks } from './http.ts'
import { openIntake } from './intake.ts'
import { keepDays, keepDaysEveryMs } from './jobs/keep-days.ts'
import { claimForConnection } from './lanes/claim.ts'
import { acrossAccounts, callers, methods } from './rpc/index.ts'

export const webhookGatewayService = defineService({
  name: 'webhook-gateway',
  config,
  migrations,
  peers,
  open,
  rpc: { definition: WebhookGatewayDefinition, methods, callers, acrossAccounts },
  lanes: { 'webhooks.claim': claimForConnection },
  jobs: { 'keep-days': [keepDaysEveryMs, keepDays] },
  feed: partsFeed,
  http: (ctx, stack) => serveWebhooks(ctx, stack.use(openIntake(ctx))),
})
