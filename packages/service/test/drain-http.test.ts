import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { until } from '@lockstep/testing'
import fastify from 'fastify'
import { expect, test } from 'vitest'
import { drainHttp } from '../src/drain-http.ts'

const drainMs = 20_000

test('a connection whose answer had begun before the stop ends with it, and does not hold the stop up', async () => {
  const server = fastify()
  const close = drainHttp(server, drainMs)
  const body = new Readable({ read() {} })
  server.get('/', (_request, reply) => reply.send(body))
  await server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.server.address() as { port: number }
  const agent = new Agent({ keepAlive: true })
  using _agent = { [Symbol.dispose]: () => agent.destroy() }
  const asked = request({ port, agent, host: '127.0.0.1' }).end()
  body.push('one part')
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  expect(answer.headers.connection).toBe('keep-alive')

  const startedAt = performance.now()
  const closed = close()
  await until(() => !server.server.listening)
  body.push(null)
  await answer.resume().toArray()
  await closed
  expect(performance.now() - startedAt).toBeLessThan(drainMs / 2)
})
