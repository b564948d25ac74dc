import fastify from 'fastify'
import type { BaseContext } from './context.ts'

export interface HealthServer extends AsyncDisposable {
  port: number
}

/** /healthz (the process lives), /readyz (its servers answer), /metrics (Prometheus text). */
export async function serveHealth(ctx: BaseContext): Promise<HealthServer> {
  const server = fastify({ logger: false, forceCloseConnections: true })
  server.get('/healthz', () => ({ status: 'ok', service: ctx.config.service, pid: process.pid }))
  server.get('/readyz', async (_request, reply) => {
    const postgres = await ctx.db.ping()
    const checks = { postgres, nats: ctx.messaging.isConnected(), redis: ctx.isRedisUp() }
    // Without NATS and Redis work waits in rows; without PostgreSQL nothing can be promised.
    return reply.code(postgres ? 200 : 503).send({ status: postgres ? 'ready' : 'waiting', checks })
  })
  server.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(await ctx.telemetry.metricsText()),
  )
  await server.listen({ host: ctx.config.host, port: ctx.config.healthPort })
  const { port } = server.server.address() as { port: number }
  return { port, [Symbol.asyncDispose]: () => server.close() }
}
