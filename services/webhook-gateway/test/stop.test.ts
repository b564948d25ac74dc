import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { spawnService } from '@lockstep/system'
import { openProxy, until } from '@lockstep/testing'
import { signBody } from '@lockstep/whatsapp'
import { expect, test } from 'vitest'
import {
  bodyOf,
  message,
  openWorld,
  post,
  startGateway,
  storedBodies,
  storedParts,
  type TestApp,
  untilKnown,
} from './gateway.ts'

type Here = Awaited<ReturnType<typeof openWorld>>

/** The gateway in a process of its own, configured by its environment as in production. */
async function spawnGateway({ system, world }: Here, postgresUrl: string) {
  const { ports, surroundings } = system
  const around = { ...surroundings, postgresUrl: () => postgresUrl }
  const gateway = await spawnService('webhook-gateway', ports, around, world.nats.dir)
  const { http, health } = ports['webhook-gateway']
  return {
    stop: gateway.stop,
    origin: `http://127.0.0.1:${http}`,
    async queuedBytes(): Promise<number> {
      const text = await (await fetch(`http://127.0.0.1:${health}/metrics`)).text()
      return Number(/^lockstep_webhook_queued_bytes\S* (\d+)/m.exec(text)?.[1] ?? 0)
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

test('SIGTERM: what has arrived is stored and answered, nothing more is let in, and the process ends well', async () => {
  await using here = await openWorld()
  await using postgres = await openProxy(here.config.postgresUrl)
  await using gateway = await spawnGateway(here, postgres.url)
  await untilKnown(gateway.origin, here.app)
  const all = Array.from({ length: 50 }, (_, i) => bodyOf(message(`text ${i}`)))
  postgres.freeze()
  const sent = all.map((body) => post(gateway.origin, here.app, body))
  await until(async () => (await gateway.queuedBytes()) === all.join('').length)

  const exited = gateway.stop('SIGTERM')
  await until(async () => !(await answersStill(gateway.origin)))
  postgres.thaw()
  const startedAt = performance.now()
  expect(await Promise.all(sent)).toEqual(all.map(() => 200))
  expect(await exited).toBe(0)
  expect(performance.now() - startedAt).toBeLessThan(8_000)
  expect((await storedBodies(here.world)).toSorted()).toEqual(all.toSorted())
  expect((await storedParts(here.world)).filter((part) => part.open)).toHaveLength(50)
})

test('a connection that was busy when the stop began ends with its answer, and does not hold the stop up', async () => {
  await using here = await openWorld()
  await using postgres = await openProxy(here.config.postgresUrl)
  const drainMs = 60_000
  await using gateway = await startGateway(
    { ...here.config, postgresUrl: postgres.url, drainMs },
    { scale: 5 },
  )
  await untilKnown(gateway.origin, here.app)
  const agent = new Agent({ keepAlive: true })
  using _agent = { [Symbol.dispose]: () => agent.destroy() }
  postgres.freeze()
  const body = bodyOf(message('busy'))
  const answered = postBy(agent, gateway.origin, here.app, body)
  await until(
    async () => (await gateway.metric('lockstep_webhook_queued_bytes', {})) === body.length,
  )

  const startedAt = performance.now()
  const stopped = gateway[Symbol.asyncDispose]()
  await until(async () => !(await answersStill(gateway.origin)))
  postgres.thaw()
  expect(await answered).toEqual({ status: 200, connection: 'close' })
  await stopped
  expect(performance.now() - startedAt).toBeLessThan(drainMs / 2)
  expect(await storedBodies(here.world)).toEqual([body])
}, 60_000)

/** Whether new connections are let in; asks for nothing that would have to wait for PostgreSQL. */
const answersStill = (origin: string) =>
  fetch(origin).then(
    ({ status }) => status === 404,
    () => false,
  )

/** Sends a webhook over a connection that its agent keeps. */
async function postBy(agent: Agent, origin: string, app: TestApp, body: string) {
  const headers = { 'x-hub-signature-256': signBody(app.secret, Buffer.from(body)) }
  const sent = request(`${origin}/webhooks/${app.id}`, { method: 'POST', agent, headers }).end(body)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  answer.resume()
  return { status: answer.statusCode, connection: answer.headers.connection }
}

test('SIGKILL in the middle of the stream loses nothing that was answered 200', async () => {
  await using here = await openWorld()
  await using gateway = await spawnGateway(here, here.config.postgresUrl)
  await untilKnown(gateway.origin, here.app)
  const accepted: string[] = []
  let dead = false
  const senders = Array.from({ length: 16 }, async (_, sender) => {
    for (let i = 0; !dead; i++) {
      const body = bodyOf(message(`${sender} ${i}`))
      const status = await post(gateway.origin, here.app, body)
      if (status === 200) accepted.push(body)
      else dead = true
    }
  })
  await until(() => accepted.length > 200)
  await gateway.stop('SIGKILL')
  await Promise.all(senders)
  const stored = new Set(await storedBodies(here.world))
  expect(accepted.filter((body) => !stored.has(body))).toEqual([])
})
