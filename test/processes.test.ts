import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { type ServiceName, services } from '@lockstep/contracts'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { freePort } from '@lockstep/servers'
import {
  onPlannedPorts,
  type PortPlan,
  planPorts,
  type Surroundings,
  spawnService,
  startInProcess,
} from '@lockstep/system'
import { createWorld, until, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

const stack = new AsyncDisposableStack()
let world: World
let logDir: string

beforeAll(async () => {
  world = stack.use(await createWorld())
  logDir = world.nats.dir
})
afterAll(() => stack.disposeAsync())

function surroundings(change: Partial<Surroundings> = {}): Surroundings {
  return {
    postgresUrl: world.roleUrl,
    natsUrl: world.nats.url,
    redisUrl: world.redis.url,
    graphUrl: 'http://127.0.0.1:1',
    encryptionKey: world.encryptionKey.toString('hex'),
    platformKey: world.platformKey.toString('hex'),
    logLevel: 'warn',
    ...change,
  }
}

const readiness = async (plan: PortPlan, service: ServiceName) => {
  const answer = await fetch(`http://127.0.0.1:${plan[service].health}/readyz`)
  const { checks } = (await answer.json()) as { checks: Record<string, boolean> }
  return { status: answer.status, checks }
}

/** A server that is away until `open`: a port on which nothing listens, then a way to the real one. */
async function laterAt(url: string) {
  const target = new URL(url)
  const port = await freePort()
  const sockets = new Set<Socket>()
  let server: Server | undefined
  return {
    url: Object.assign(new URL(url), { port: String(port) }).toString(),
    async open() {
      server = createServer((socket) => {
        const onward = dial(Number(target.port), target.hostname)
        for (const end of [socket, onward]) sockets.add(end.on('error', () => end.destroy()))
        socket.pipe(onward).pipe(socket)
      })
      await new Promise<void>((up) => server!.listen(port, '127.0.0.1', up))
      return (server.address() as AddressInfo).port
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((down) => (server ? server.close(down) : down(null)))
    },
  }
}

test.each(services)(
  '%s starts, is ready, says what it measures, and ends cleanly on SIGTERM',
  async (service) => {
    const plan = await planPorts()
    await using child = await spawnService(service, plan, surroundings(), logDir)
    await until(async () => {
      const { status, checks } = await readiness(plan, service)
      return status === 200 && checks.nats && checks.redis
    })
    const metrics = await (await fetch(`http://127.0.0.1:${plan[service].health}/metrics`)).text()
    expect(metrics).toContain('lockstep_')
    const startedAt = performance.now()
    expect(await child.stop('SIGTERM')).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(15_000)
  },
)

test.each(services)(
  '%s starts with PostgreSQL, NATS and Redis away, waits for them, and is ready once they are there',
  async (service) => {
    await using postgres = await laterAt(world.roleUrl(service))
    await using nats = await laterAt(world.nats.url)
    await using redis = await laterAt(world.redis.url)
    const plan = await planPorts()
    const around = surroundings({
      postgresUrl: () => postgres.url,
      natsUrl: nats.url,
      redisUrl: redis.url,
    })
    await using _child = await spawnService(service, plan, around, logDir)
    expect(await readiness(plan, service)).toMatchObject({
      status: 503,
      checks: { postgres: false, nats: false, redis: false },
    })
    await Promise.all([postgres.open(), nats.open(), redis.open()])
    await until(async () => {
      const { status, checks } = await readiness(plan, service)
      return status === 200 && checks.nats && checks.redis
    }, 30_000)
  },
)

test.each(['in this process', 'as a process of its own'])(
  'a service started %s, whose port another takes meanwhile, gets others',
  async (how) => {
    await using squatters = new AsyncDisposableStack()
    const plans: PortPlan[] = []
    const start = async (plan: PortPlan) => {
      plans.push(plan)
      for (const port of plans.length === 1
        ? [plan.accounts.grpc]
        : plans.length === 2
          ? [plan.accounts.health]
          : []) {
        const squatter = createHttpServer((_request, response) =>
          response.end('{"status":"ok","pid":1}'),
        ).listen(port, '127.0.0.1')
        await once(squatter, 'listening')
        squatters.use(squatter)
      }
      if (how === 'in this process') return startInProcess(plan, surroundings(), ['accounts'])
      return spawnService('accounts', plan, surroundings(), logDir)
    }
    await using _service = await onPlannedPorts(undefined, start)
    expect(plans).toHaveLength(3)
    expect((await readiness(plans[2]!, 'accounts')).status).toBe(200)
  },
)

test('what keeps a service from starting is not tried on other ports', async () => {
  let tries = 0
  const start = async (plan: PortPlan) => {
    tries++
    return spawnService('accounts', plan, surroundings({ encryptionKey: 'none' }), logDir)
  }
  await expect(onPlannedPorts(undefined, start)).rejects.toThrow(
    /accounts ended at its start.*ENCRYPTION_KEY/s,
  )
  expect(tries).toBe(1)
})

test('with a collector, a service sends it the spans of a call and of the statements below it', async () => {
  const bodies: string[] = []
  const collector = createHttpServer(async (request, response) => {
    bodies.push(await text(request))
    response.setHeader('content-type', 'application/json').end('{}')
  }).listen(0, '127.0.0.1')
  await once(collector, 'listening')
  const plan = await planPorts()
  const otlpUrl = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
  const child = await spawnService('accounts', plan, surroundings({ otlpUrl }), logDir)
  using accounts = connect(AccountsDefinition, `127.0.0.1:${plan.accounts.grpc}`)
  await accounts.createAccount({ name: 'Traced' }, {})
  await child.stop()
  collector.close()
  const spans = bodies
    .flatMap((body) => JSON.parse(body).resourceSpans)
    .flatMap((resource) => resource.scopeSpans.flatMap((s: Scope) => s.spans))
  const call = spans.find((span: Span) => span.name.includes('CreateAccount'))
  const below = spans.filter(
    (span: Span) => span.traceId === call?.traceId && span.name.startsWith('pg.query'),
  )
  expect(below.length).toBeGreaterThan(0)
  expect(bodies.join()).toContain('{"key":"service.name","value":{"stringValue":"accounts"}}')
})

interface Span {
  name: string
  traceId: string
}
interface Scope {
  spans: Span[]
}

test('a service ends when the process that started it is killed', async () => {
  const plan = await planPorts()
  const main = path.join(import.meta.dirname, 'fixtures', 'supervisor.ts')
  const args = [
    JSON.stringify(plan),
    JSON.stringify(surroundings()),
    world.roleUrl('accounts'),
    logDir,
  ]
  const supervisor = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [pid] = await once(supervisor.stdout.setEncoding('utf8'), 'data')
  expect(existsSync(`/proc/${Number(pid)}`)).toBe(true)
  supervisor.kill('SIGKILL')
  await until(async () => !existsSync(`/proc/${Number(pid)}`), 15_000)
})
