import { type LaneName, lanes } from '@lockstep/contracts'
import {
  type FeedContext,
  type FeedOptions,
  type FeedSource,
  feedService,
  localFeed,
  measureFeed,
  producedLanes,
  remoteFeed,
  work,
} from '@lockstep/feeds'
import { bind } from '@lockstep/rpc'
import type { BaseConfig } from './config.ts'
import { type BaseContext, type BaseOverrides, createServiceContext } from './context.ts'
import type { DeclaredService } from './define.ts'
import { type RunningService, serveEndpoints, sideBySide } from './endpoints.ts'
import { every } from './every.ts'
import { forgetEveryMs } from './forget.ts'
import { owning } from './owning.ts'
import { sweepFeed } from './sweep.ts'

/** Disposing closes all that was opened, in reverse. */
export async function startService(
  service: DeclaredService,
  config: BaseConfig & Record<string, unknown>,
  overrides: BaseOverrides = {},
): Promise<RunningService> {
  await using stack = new AsyncDisposableStack()
  const ctx = stack.use(await openContext<BaseContext>(service, config, overrides))
  const feed =
    producedLanes(ctx).length > 0 ? serveFeed(ctx, service.feed?.(ctx), stack) : undefined
  for (const [name, [everyMs, run]] of Object.entries(service.jobs))
    stack.use(every(ctx, name, everyMs * ctx.scale, run))
  for (const [name, run] of Object.entries(service.retention))
    stack.use(every(ctx, name, forgetEveryMs, run))
  stack.use(await sideBySide(workOn(service, ctx, feed?.source, stack)))
  const methods = service.rpc
    ? [bind(service.rpc.definition, ctx, service.rpc.methods, service.rpc)]
    : []
  const ports = stack.use(await serveEndpoints(ctx, [...methods, ...(feed ? [feed.served] : [])]))
  const http = stack.use(await service.http?.(ctx, stack))
  return owning({ ...ports, httpPort: http?.port ?? 0 }, stack)
}

/** The context of a service without its endpoints, as `startService` hands it to them. */
export async function openContext<Context extends BaseContext>(
  service: DeclaredService,
  config: BaseConfig & Record<string, unknown>,
  overrides: BaseOverrides = {},
): Promise<Context & AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const base = stack.use(await createServiceContext(config, service, overrides))
  const own = await service.open?.(base, stack, overrides)
  return owning({ ...base, ...own, ...overrides.own } as unknown as Context, stack)
}

/** The feed of this service's own rows: measured, swept, and served to those who work on it. */
function serveFeed(
  ctx: BaseContext,
  options: FeedOptions | undefined,
  stack: AsyncDisposableStack,
) {
  const source = localFeed(ctx, options)
  stack.use(measureFeed(ctx))
  stack.use(sweepFeed(ctx))
  return { source, served: feedService(ctx, source, options) }
}

/** Takes from its own rows what it produces itself, and the rest from the producers. */
function workOn(
  { lanes: handlers }: DeclaredService,
  ctx: FeedContext & BaseContext,
  own: FeedSource | undefined,
  stack: AsyncDisposableStack,
): Promise<AsyncDisposable>[] {
  const { service, addresses, tls } = ctx.config
  const names = Object.keys(handlers) as LaneName[]
  const producers = new Set(names.map((name) => lanes[name].producer))
  const sources = new Map(
    [...producers].map((producer) => [
      producer,
      producer === service ? own! : stack.use(remoteFeed(addresses[producer], tls)),
    ]),
  )
  return names.map((name) =>
    work(ctx, name, sources.get(lanes[name].producer)!, handlers[name] as never),
  )
}
