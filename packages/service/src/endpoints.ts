import { type BoundService, serve } from '@lockstep/rpc'
import type { BaseContext } from './context.ts'
import { serveHealth } from './health.ts'
import { owning } from './owning.ts'

/** Disposing stops it: intake first, then what it needs. */
export interface RunningService extends AsyncDisposable {
  grpcPort: number
  healthPort: number
  /** Of a service that serves HTTP to the public; 0 of the others. */
  httpPort: number
}

/** Serves a service's gRPC methods and its health and metrics. */
export async function serveEndpoints(
  ctx: BaseContext,
  served: BoundService[],
): Promise<Omit<RunningService, 'httpPort'>> {
  await using stack = new AsyncDisposableStack()
  const { service, host, grpcPort, tls } = ctx.config
  const health = stack.use(await serveHealth(ctx))
  const rpc = stack.use(
    await serve({
      ...{ host, port: grpcPort, served, log: ctx.log, tls: tls ?? undefined },
      isReady: () => ctx.db.ping(),
    }),
  )
  ctx.log.info({ grpcPort: rpc.port, healthPort: health.port }, `${service} is up`)
  return owning({ grpcPort: rpc.port, healthPort: health.port }, stack)
}

/** Opens and stops things side by side: all take no longer than the slowest. */
export async function sideBySide(opening: Promise<AsyncDisposable>[]): Promise<AsyncDisposable> {
  const opened = await Promise.allSettled(opening)
  const parts = opened.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  const stop = async () =>
    void (await Promise.all(parts.map((part) => part[Symbol.asyncDispose]())))
  const failed = opened.find((each) => each.status === 'rejected')
  if (!failed) return { [Symbol.asyncDispose]: stop }
  await stop()
  throw failed.reason
}
