import { bind } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import {
  type BaseOverrides,
  every,
  feedService,
  forgetEveryMs,
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
import { forgetEvents } from './jobs/forget-events.ts'
import { accountUpdate } from './lanes/account-update.ts'
import { methods, operatorMethods } from './rpc/index.ts'

/** Starts the service: what keeps its rows, its lanes, then its doors. */
export async function start(config: Config, overrides?: BaseOverrides): Promise<Started> {
  await using up = new AsyncDisposableStack()
  const ctx = up.use(await createContext(config, overrides))
  up.use(measureFeed(ctx))
  up.use(sweepFeed(ctx))
  up.use(every(ctx, 'forget-events', forgetEveryMs, forgetEvents))
  up.use(await work(ctx, 'webhooks.account', ctx.webhooks, accountUpdate))
  const doors = up.use(
    await openDoors(ctx, [bind(AccountsDefinition, ctx, methods, { operator: operatorMethods }), feedService(ctx, localFeed(ctx))]),
  )
  return started(doors, up)
}
