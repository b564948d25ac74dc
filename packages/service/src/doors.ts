import { type RpcServer, type Served, serve } from '@lockstep/rpc'
import type { BaseContext } from './context.ts'
import { type HealthServer, serveHealth } from './health.ts'

/** A running service and the ports it listens on. Disposing stops it: intake first, then what it needs. */
export interface Started extends AsyncDisposable {
  grpcPort: number
  healthPort: number
}

/** Serves a service's gRPC methods and its health and metrics; the last thing that a service opens. */
export async function openDoors(ctx: BaseContext, served: Served[]): Promise<Started> {
  await using up = new AsyncDisposableStack()
  const { service, host, grpcPort, tls } = ctx.config
  const health: HealthServer = up.use(await serveHealth(ctx))
  const rpc: RpcServer = up.use(await serve({ service, host, port: grpcPort, served, log: ctx.log, tls: tls ?? undefined }))
  ctx.log.info({ grpcPort: rpc.port, healthPort: health.port }, `${ctx.config.service} is up`)
  const opened = up.move()
  return { grpcPort: rpc.port, healthPort: health.port, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** Opens things that don't need each other. They stop at the same time: all of them take no longer than the slowest. */
export async function sideBySide(opening: Promise<AsyncDisposable>[]): Promise<AsyncDisposable> {
  const opened = await Promise.allSettled(opening)
  const parts = opened.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  const stop = async () => void (await Promise.all(parts.map((part) => part[Symbol.asyncDispose]())))
  const failed = opened.find((each) => each.status === 'rejected')
  if (!failed) return { [Symbol.asyncDispose]: stop }
  await stop()
  throw failed.reason
}

/** Everything a service opened, as one thing to stop, with the ports of its doors. */
export function started<Ports extends object>(ports: Ports, stack: AsyncDisposableStack): Ports & AsyncDisposable {
  const opened = stack.move()
  return { ...ports, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
