import type { FastifyInstance } from 'fastify'

const lookEveryMs = 50

/**
 * Prepares a server for a stop that waits for the requests under way and for nothing else; call it before `listen`. The answer
 * stops listening, tells each client with its answer that the connection ends, and cuts off what isn't done after `drainMs`.
 *
 * Node closes the connections that are idle at the moment of the stop. One whose answer was on its way then becomes idle right
 * after it and would hold the stop up for all its keep-alive time: so idle ones are looked for until the server is closed.
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
