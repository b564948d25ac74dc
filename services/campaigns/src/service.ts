import { setTimeout as delay } from 'node:timers/promises'
import { bind } from '@lockstep/rpc'
import { CampaignsDefinition } from '@lockstep/rpc/gen/campaigns'
import {
  type BaseOverrides,
  every,
  feedService,
  measureFeed,
  openDoors,
  type Started,
  sideBySide,
  started,
  sweepFeed,
  work,
  workSets,
} from '@lockstep/service'
import type { Config } from './config.ts'
import { type Context, createContext } from './context.ts'
import { expireSending } from './jobs/expire-sending.ts'
import { forgetCampaigns, forgetEveryMs } from './jobs/forget-campaigns.ts'
import { messageStatus } from './lanes/message-status.ts'
import { runCampaign } from './lanes/run-campaign.ts'
import { methods } from './rpc/index.ts'

/** Starts the service: what it works on, then its doors. */
export async function start(config: Config, overrides?: BaseOverrides): Promise<Started> {
  await using up = new AsyncDisposableStack()
  const ctx = up.use(await createContext(config, overrides))
  up.defer(() => finish(ctx))
  const lanes = [work(ctx, 'campaigns.run', ctx.feed, runCampaign), workSets(ctx, 'webhooks.campaign', ctx.webhooks, messageStatus)]
  up.use(await sideBySide(lanes))
  up.use(sweepFeed(ctx))
  up.use(every(ctx, 'expire-sending', 5_000 * ctx.scale, expireSending))
  up.use(every(ctx, 'forget-campaigns', forgetEveryMs, forgetCampaigns))
  up.use(measureFeed(ctx))
  const doors = up.use(
    await openDoors(ctx, [bind(CampaignsDefinition, ctx, methods, { operator: ['recordStatuses'] }), feedService(ctx, ctx.feed)]),
  )
  return started(doors, up)
}

/** Waits for the answers to messages that are under way and for their outcomes, but not for ever for a database that is away. */
async function finish({ inFlight, graphTimeoutMs, closing }: Context): Promise<void> {
  await Promise.race([inFlight.drain(), delay(graphTimeoutMs + 2_000, undefined, { ref: false })])
  closing.abort()
}
