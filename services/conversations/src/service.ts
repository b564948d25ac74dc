import { bind } from '@lockstep/rpc'
import { ConversationsDefinition } from '@lockstep/rpc/gen/conversations'
import { type BaseOverrides, every, forgetEveryMs, openDoors, type Started, started, workSets } from '@lockstep/service'
import type { Config } from './config.ts'
import { createContext } from './context.ts'
import { forgetMessages } from './jobs/forget-messages.ts'
import { webhookMessage } from './lanes/webhook-message.ts'
import { methods } from './rpc/index.ts'

/** Starts the service: its lane, then its doors. */
export async function start(config: Config, overrides?: BaseOverrides): Promise<Started> {
  await using up = new AsyncDisposableStack()
  const ctx = up.use(await createContext(config, overrides))
  up.use(await workSets(ctx, 'webhooks.message', ctx.webhooks, webhookMessage))
  up.use(every(ctx, 'forget-messages', forgetEveryMs, forgetMessages))
  const doors = up.use(await openDoors(ctx, [bind(ConversationsDefinition, ctx, methods)]))
  return started(doors, up)
}
