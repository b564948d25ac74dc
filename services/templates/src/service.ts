import { bind } from '@lockstep/rpc'
import { TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import {
  type BaseOverrides,
  every,
  feedService,
  forgetEveryMs,
  measureFeed,
  openDoors,
  type Started,
  sideBySide,
  started,
  sweepFeed,
  work,
} from '@lockstep/service'
import type { Config } from './config.ts'
import { createContext } from './context.ts'
import { forgetSyncs } from './jobs/forget-syncs.ts'
import { sync } from './lanes/sync.ts'
import { templateUpdate } from './lanes/template-update.ts'
import { methods } from './rpc/index.ts'

/** Starts the service: its lanes and sweeper, then its doors. */
export async function start(config: Config, overrides?: BaseOverrides): Promise<Started> {
  await using up = new AsyncDisposableStack()
  const ctx = up.use(await createContext(config, overrides))
  up.use(await sideBySide([work(ctx, 'templates.sync', ctx.jobs, sync), work(ctx, 'webhooks.template', ctx.webhooks, templateUpdate)]))
  up.use(sweepFeed(ctx))
  up.use(every(ctx, 'forget-syncs', forgetEveryMs, forgetSyncs))
  up.use(measureFeed(ctx))
  const doors = up.use(await openDoors(ctx, [bind(TemplatesDefinition, ctx, methods), feedService(ctx, ctx.jobs)]))
  return started(doors, up)
}
