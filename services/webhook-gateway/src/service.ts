import { bind } from '@lockstep/rpc'
import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import {
  type BaseOverrides,
  every,
  feedService,
  localFeed,
  measureFeed,
  openDoors,
  type Started,
  started,
  sweepFeed,
  work,
} from '@lockstep/service'
import type { Config } from './config.ts'
import { createContext } from './context.ts'
import { appsWithoutEffect } from './db/claims.ts'
import { partsFeed } from './feed.ts'
import { serveWebhooks } from './http.ts'
import { openIntake } from './intake.ts'
import { keepDays, keepDaysEveryMs } from './jobs/keep-days.ts'
import { claimForConnection } from './lanes/claim.ts'
import { methods, operatorMethods } from './rpc/index.ts'

/** Starts the service: what keeps its rows, the feed for its lanes' workers, and at last the door that Meta knocks at. */
export async function start(config: Config, overrides?: BaseOverrides): Promise<Started & { httpPort: number }> {
  await using up = new AsyncDisposableStack()
  const ctx = up.use(await createContext(config, overrides))
  up.use(every(ctx, 'keep-days', keepDaysEveryMs * ctx.scale, keepDays))
  up.use(measureFeed(ctx))
  up.use(sweepFeed(ctx))
  up.use(await work(ctx, 'webhooks.claim', ctx.connections, claimForConnection))
  const options = partsFeed(ctx)
  const doors = up.use(
    await openDoors(ctx, [
      bind(WebhookGatewayDefinition, ctx, methods, { operator: operatorMethods }),
      feedService(ctx, localFeed(ctx, options), options),
    ]),
  )
  ctx.db.system(appsWithoutEffect).then(
    (appIds) => {
      for (const appId of appIds) ctx.apps.doubt(appId)
    },
    (err) => ctx.log.warn({ err }, 'whether parts are left to be claimed is not known; their apps are read when they are used'),
  )
  const intake = up.use(openIntake(ctx))
  const http = up.use(await serveWebhooks(ctx, intake))
  return started({ ...doors, httpPort: http.port }, up)
}
