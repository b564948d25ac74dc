import { connect } from 'node:net'
import { partitionOf } from '@lockstep/contracts'
import { type LaneListener, openMessaging } from '@lockstep/messaging'
import { createLogger } from '@lockstep/telemetry'
import { openProxy, until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import {
  bodyOf,
  message,
  openWorld,
  post,
  scale,
  startGateway,
  storedBodies,
  storedParts,
  untilKnown,
} from './gateway.ts'

/** A gateway whose PostgreSQL is behind a proxy. */
async function behindProxy(overrides: { scale?: number } = {}) {
  await using up = new AsyncDisposableStack()
  const here = up.use(await openWorld())
  const postgres = up.use(await openProxy(here.config.postgresUrl))
  const gateway = up.use(
    await startGateway({ ...here.config, postgresUrl: postgres.url }, overrides),
  )
  await untilKnown(gateway.origin, here.app)
  const opened = up.move()
  const queuedBytes = () => gateway.metric('lockstep_webhook_queued_bytes', {})
  return {
    ...here,
    postgres,
    gateway,
    queuedBytes,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Time enough for requests to pile up behind a PostgreSQL that does not answer, before the gateway gives it up. */
const patient = { scale: 5 }

const bodies = (n: number) => Array.from({ length: n }, (_, i) => bodyOf(message(`text ${i}`)))

test('while PostgreSQL is away a webhook is answered 503, and when it is back 200', async () => {
  await using here = await behindProxy()
  const { gateway, app, postgres } = here
  const [first, lost, again] = bodies(3) as [string, string, string]
  expect(await post(gateway.origin, app, first)).toBe(200)
  await postgres.down()
  expect(await post(gateway.origin, app, lost)).toBe(503)
  expect(await gateway.metric('lockstep_webhook_requests_total', { result: 'database_away' })).toBe(
    1,
  )
  await postgres.up()
  expect(await post(gateway.origin, app, again)).toBe(200)
  expect(await storedBodies(here.world)).toEqual([first, again])
})

test('a PostgreSQL that no longer answers delays nobody for ever', async () => {
  await using here = await behindProxy()
  const { gateway, app, postgres } = here
  const [first, lost, again] = bodies(3) as [string, string, string]
  expect(await post(gateway.origin, app, first)).toBe(200)
  postgres.freeze()
  expect(await post(gateway.origin, app, lost)).toBe(503)
  postgres.thaw()
  await until(async () => (await post(gateway.origin, app, again)) === 200)
  expect(await storedBodies(here.world)).toEqual(expect.arrayContaining([first, again]))
})

test('what was answered 200 while connections to PostgreSQL are killed again and again is in its rows', async () => {
  await using here = await behindProxy()
  const { gateway, app, world } = here
  const accepted: string[] = []
  const refused: number[] = []
  let open = true
  const senders = Array.from({ length: 16 }, async (_, sender) => {
    for (let i = 0; open; i++) {
      const body = bodyOf(message(`${sender} ${i}`))
      const status = await post(gateway.origin, app, body)
      if (status === 200) accepted.push(body)
      else refused.push(status)
    }
  })
  for (let kills = 0; kills < 10; kills++) {
    const before = accepted.length
    await world.killBackends()
    await until(() => accepted.length > before + 50)
  }
  open = false
  await Promise.all(senders)
  expect(new Set(refused)).toEqual(new Set([503]))
  const stored = new Set(await storedBodies(world))
  expect(accepted.filter((body) => !stored.has(body))).toEqual([])
  const parts = await storedParts(world)
  expect(parts).toHaveLength(stored.size)
  expect(parts.every((part) => part.open)).toBe(true)
})

test('what arrives during a commit is committed together', async () => {
  await using here = await behindProxy(patient)
  const { gateway, app, postgres, world } = here
  const all = bodies(20)
  postgres.freeze()
  const sent = all.map((body) => post(gateway.origin, app, body))
  await until(async () => (await here.queuedBytes()) === all.join('').length)
  postgres.thaw()
  expect(await Promise.all(sent)).toEqual(all.map(() => 200))
  const [row] = await world.sql<{ n: number }>(
    'select count(distinct xmin::text)::int as n from webhook_gateway.webhook_bodies',
  )
  expect(row!.n).toBe(2)
})

test('a body that PostgreSQL refuses costs its neighbours nothing', async () => {
  await using here = await behindProxy(patient)
  const { gateway, app, postgres, world } = here
  await world.sql(
    `alter table webhook_gateway.webhook_bodies add constraint no_poison check (position('POISON'::bytea in raw) = 0)`,
  )
  const all = [...bodies(10), bodyOf(message('POISON')), ...bodies(10)]
  postgres.freeze()
  const sent = all.map((body) => post(gateway.origin, app, body))
  await until(async () => (await here.queuedBytes()) === all.join('').length)
  postgres.thaw()
  expect(await Promise.all(sent)).toEqual(all.map((_, i) => (i === 10 ? 500 : 200)))
  expect((await storedBodies(world)).toSorted()).toEqual(all.filter((_, i) => i !== 10).toSorted())
  expect(await storedParts(world)).toHaveLength(20)
  expect(
    await gateway.metric('lockstep_webhook_requests_total', { result: 'database_refused' }),
  ).toBe(1)
})

test('past 64 MB that wait for PostgreSQL a webhook is answered 503 at once, and those that wait are stored', async () => {
  await using here = await behindProxy(patient)
  const { gateway, app, postgres, world } = here
  // Of several accounts: each has its share of what waits to be read.
  const apps = [app, ...(await Promise.all(Array.from({ length: 6 }, () => here.createApp())))]
  for (const each of apps) await untilKnown(gateway.origin, each)
  const body = bodyOf(message('x'.repeat(3_000_000)))
  const room = Math.floor((64 * 1024 * 1024) / body.length)
  postgres.freeze()
  const sent = Array.from({ length: room }, (_, i) =>
    post(gateway.origin, apps[i % apps.length]!, body),
  )
  await until(async () => (await here.queuedBytes()) === room * body.length)
  expect(await post(gateway.origin, app, body)).toBe(503)
  expect(await gateway.metric('lockstep_webhook_requests_total', { result: 'queue_full' })).toBe(1)
  postgres.thaw()
  expect(await Promise.all(sent)).toEqual(sent.map(() => 200))
  const [row] = await world.sql<{ n: number }>(
    'select count(*)::int as n from webhook_gateway.webhook_bodies',
  )
  expect(row!.n).toBe(room)
}, 60_000)

test('a webhook whose connection breaks before its turn to be answered holds nothing any more', async () => {
  await using here = await openWorld()
  const { app } = here
  await using accounts = await openProxy(`tcp://${here.config.addresses.accounts}`)
  await using gateway = await startGateway({
    ...here.config,
    addresses: { ...here.config.addresses, accounts: new URL(accounts.url).host },
  })
  await untilKnown(gateway.origin, app)
  const held = () => gateway.metric('lockstep_webhook_unverified_bytes', {})
  // The first request waits for accounts, and the second behind it.
  accounts.freeze()
  const { hostname, port } = new URL(gateway.origin)
  const socket = connect(Number(port), hostname)
  const signature = `x-hub-signature-256: sha256=${'0'.repeat(64)}`
  socket.write(
    `GET /webhooks/01890000-0000-7000-8000-000000000000 HTTP/1.1\r\nhost: gateway\r\n\r\n` +
      `POST /webhooks/${app.id} HTTP/1.1\r\nhost: gateway\r\n${signature}\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(8_000)}`,
  )
  await until(async () => (await held()) > 0)
  socket.destroy()
  await until(async () => (await held()) === 0)
  accounts.thaw()
})

test('without NATS and Redis the gateway starts and answers 200; the wake-up is sent when NATS is back', async () => {
  await using here = await openWorld()
  const { world, app } = here
  await Promise.all([world.nats.kill(), world.redis.kill()])
  await using gateway = await startGateway(here.config)
  expect(await post(gateway.origin, app, bodyOf(message('hello', '7007')))).toBe(200)
  expect(await storedParts(world)).toMatchObject([
    { lane: 'webhooks.message', key: '7007', open: true },
  ])

  await world.nats.restart()
  const log = createLogger({ service: 'worker', level: 'silent' })
  await using worker = await openMessaging({ url: world.nats.url, name: 'worker', scale, log })
  const woken = new Set<number>()
  const onAssigned: LaneListener['onAssigned'] = ({ partition, release }) => {
    woken.add(partition)
    release()
  }
  await using _lane = await worker.consumeLane('webhooks.message', {
    onAssigned,
    onWakeUp: () => undefined,
  })
  await until(() => woken.has(partitionOf('webhooks.message', '7007')))
})

test('a NATS and a Redis that go away later change no answer, and the wake-up is sent again', async () => {
  await using here = await openWorld()
  const { world, app } = here
  await using gateway = await startGateway(here.config)
  expect(await post(gateway.origin, app, bodyOf(message('before')))).toBe(200)
  await Promise.all([world.nats.kill(), world.redis.kill()])
  expect(await post(gateway.origin, app, bodyOf(message('during', '8008')))).toBe(200)
  await world.nats.restart()
  const log = createLogger({ service: 'worker', level: 'silent' })
  await using worker = await openMessaging({ url: world.nats.url, name: 'worker', scale, log })
  const woken = new Set<number>()
  const onAssigned: LaneListener['onAssigned'] = ({ partition, release }) => {
    woken.add(partition)
    release()
  }
  await using _lane = await worker.consumeLane('webhooks.message', {
    onAssigned,
    onWakeUp: () => undefined,
  })
  await until(() => woken.has(partitionOf('webhooks.message', '8008')))
})

test('without accounts the last known apps are kept; what can not be known is answered 503, never 404', async () => {
  await using here = await openWorld()
  await using accounts = await openProxy(`tcp://${here.config.addresses.accounts}`)
  const config = {
    ...here.config,
    addresses: { ...here.config.addresses, accounts: new URL(accounts.url).host },
  }
  await accounts.down()
  await using gateway = await startGateway(config)
  const body = bodyOf(message('hello'))
  expect(await post(gateway.origin, here.app, body)).toBe(503)
  expect(
    await gateway.metric('lockstep_webhook_requests_total', { result: 'app_unavailable' }),
  ).toBeGreaterThan(0)
  await accounts.up()
  await until(async () => (await post(gateway.origin, here.app, body)) === 200)

  await accounts.down()
  expect(await post(gateway.origin, here.app, body)).toBe(200)
  const unread = { ...here.app, id: '01890000-0000-7000-8000-000000000000' }
  expect(await post(gateway.origin, unread, body)).toBe(503)
  expect(await post(gateway.origin, here.app, body)).toBe(200) // also after a look at accounts that failed
})
