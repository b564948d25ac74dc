import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openProxy, until } from '@lockstep/testing'
import { signBody } from '@lockstep/whatsapp'
import { expect, test } from 'vitest'
import type { Config } from '../src/config.ts'
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

/** The gateway in a process of its own, configured by its environment as in production. */
async function spawnGateway(config: Config) {
  const env = {
    LOCKSTEP_POSTGRES_URL: config.postgresUrl,
    LOCKSTEP_NATS_URL: config.natsUrl,
    LOCKSTEP_REDIS_URL: config.redisUrl,
    LOCKSTEP_ACCOUNTS_ADDRESS: config.addresses.accounts,
    LOCKSTEP_ENCRYPTION_KEY: config.encryptionKey.toString('hex'),
    LOCKSTEP_PLATFORM_KEY: config.platformKey.toString('hex'),
    LOCKSTEP_HOST: '127.0.0.1',
    LOCKSTEP_HTTP_PORT: '0',
    LOCKSTEP_GRPC_PORT: '0',
    LOCKSTEP_HEALTH_PORT: '0',
    LOCKSTEP_GRPC_PLAINTEXT: 'true',
    LOCKSTEP_STREAM_REPLICAS: '1',
  }
  const child: ChildProcess = spawn(
    process.execPath,
    [fileURLToPath(new URL('../src/main.ts', import.meta.url))],
    {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  const ports: { httpPort?: number; healthPort?: number } = {}
  createInterface({ input: child.stderr! }).on('line', (line) => {
    if (line.startsWith('{')) Object.assign(ports, JSON.parse(line))
  })
  await until(() => ports.httpPort && ports.healthPort)
  return {
    child,
    origin: `http://127.0.0.1:${ports.httpPort}`,
    async queuedBytes(): Promise<number> {
      const text = await (await fetch(`http://127.0.0.1:${ports.healthPort}/metrics`)).text()
      return Number(/^lockstep_webhook_queued_bytes\S* (\d+)/m.exec(text)?.[1] ?? 0)
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

test('SIGTERM: what has arrived is stored and answered, nothing more is let in, and the process ends well', async () => {
  await using here = await openWorld()
  await using postgres = await openProxy(here.config.postgresUrl)
  await using gateway = await spawnGateway({ ...here.config, postgresUrl: postgres.url })
  await untilKnown(gateway.origin, here.app)
  const all = Array.from({ length: 50 }, (_, i) => bodyOf(message(`text ${i}`)))
  postgres.freeze()
  const sent = all.map((body) => post(gateway.origin, here.app, body))
  await until(async () => (await gateway.queuedBytes()) === all.join('').length)

  const exited = once(gateway.child, 'exit')
  gateway.child.kill('SIGTERM')
  await until(async () => !(await answersStill(gateway.origin)))
  postgres.thaw()
  const startedAt = performance.now()
  expect(await Promise.all(sent)).toEqual(all.map(() => 200))
  expect(await exited).toEqual([0, null])
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
  await using gateway = await spawnGateway(here.config)
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
  gateway.child.kill('SIGKILL')
  await Promise.all(senders)
  const stored = new Set(await storedBodies(here.world))
  expect(accepted.filter((body) => !stored.has(body))).toEqual([])
})
