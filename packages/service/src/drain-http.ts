import type { FastifyInstance } from 'fastify'

const lookEveryMs = 50

/**
 * Prepares a server, before `listen`, for a stop that waits for requests under way only, and cuts
 * them off after `drainMs`. Connections that become idle meanwhile are closed.
 */
export function drainHttp(server: FastifyInstance, drainMs: number): () => Promise<void> {
  let isClosing = false
  server.addHook('preClose', async () => {
    isClosing = true
  })
  server.addHook('onSend', async (_request, reply, payload) => {
    if (isClosing) reply.header('connection', 'close')
    return payload
  })
  return async () => {
    const idle = setInterval(() => server.server.closeIdleConnections(), lookEveryMs)
    const force = setTimeout(() => server.server.closeAllConnections(), drainMs)
    try {
      await server.close()
    } finally {
      clearInterval(idle)
      clearTimeout(force)
    }
  }
}
