import { randomBytes, randomUUID } from 'node:crypto'
import { AppError, LockLost, locks, type RingKey } from '@lockstep/contracts'
import { startTelemetry } from '@lockstep/telemetry'
import { createWorld, until, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type BaseContext,
  createBaseContext,
  createSecrets,
  developmentFlag,
  every,
  holdBatch,
  holdFenced,
  keyIdOf,
  keyRingSchema,
  measureFeed,
  readConfig,
  requireId,
  requireText,
  serveHealth,
  serviceConfig,
  troubleOf,
} from '../src/index.ts'
import { configOf } from './fixtures/config.ts'

const stack = new AsyncDisposableStack()
let world: World
let ctx: BaseContext
beforeAll(async () => {
  world = stack.use(await createWorld())
  ctx = stack.use(await createBaseContext(configOf(world, 'campaigns'), [], { scale: 0.05 }))
})
afterAll(() => stack.disposeAsync())

const place = { table: 'connections', row: 'r1', accountId: 'a1' }

test('a sealed secret opens in its place only: another row, account, table or key, or a changed byte, is refused', () => {
  const secrets = createSecrets(randomBytes(32))
  const sealed = secrets.seal('EAAG-token', place)
  expect(secrets.open(sealed, place)).toBe('EAAG-token')
  expect(secrets.seal('EAAG-token', place)).not.toEqual(sealed)
  expect(sealed.includes('EAAG')).toBe(false)
  const refused = (open: () => string) => expect(open).toThrow(/can't be opened/)
  for (const other of [{ row: 'r2' }, { accountId: 'a2' }, { table: 'apps' }])
    refused(() => secrets.open(sealed, { ...place, ...other }))
  refused(() => createSecrets(randomBytes(32)).open(sealed, place))
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed[at]! ^= 1
    refused(() => secrets.open(changed, place))
  }
  for (const length of [0, 1, 13, 17, 28])
    refused(() => secrets.open(sealed.subarray(0, length), place))
  const empty = secrets.seal('', place)
  refused(() => secrets.open(empty.subarray(0, 17), place)) // with four bytes of its tag, which guessing can hit
})

test('a timed job never runs twice at once, goes on after a failure, and a stop waits for the run under way', async () => {
  let running = 0
  let most = 0
  let runs = 0
  const timer = every(ctx, 'test', 1, async () => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 10))
    running--
    if (++runs === 2) throw new Error('once')
  })
  await until(() => runs >= 5 && running === 1)
  await timer[Symbol.asyncDispose]()
  expect(running).toBe(0)
  expect(most).toBe(1)
  const stopped = runs
  await new Promise((resolve) => setImmediate(resolve))
  expect(runs).toBe(stopped)
})

test('a lock whose fence can not be raised is given back at once', async () => {
  const away = {
    locks: ctx.locks,
    db: { ...ctx.db, system: () => Promise.reject(new AppError('busy', 'The database is away')) },
  }
  await expect(holdFenced(away, 'campaign_send', 'c1')).rejects.toThrow('The database is away')
  await using held = await holdFenced(ctx, 'campaign_send', 'c1') // throws busy if it were still held
  expect(held.fence).toEqual({ key: locks.campaign_send.key('c1'), token: '1' })
  await expect(holdFenced(ctx, 'campaign_send', 'c1')).rejects.toMatchObject({ failure: 'busy' })
  expect(held.signal.aborted).toBe(false)
})

test('a transaction of a fenced lock commits only for its newest holder, and not once its signal has fired', async () => {
  const stop = new AbortController()
  const hold = async () => {
    await using lock = await holdFenced(ctx, 'campaign_send', 'c2', { signal: stop.signal })
    return lock
  }
  const [older, newer] = [await hold(), await hold()]
  const accountId = randomUUID()
  await expect(older.transaction(accountId, async () => 'late')).rejects.toMatchObject({
    failure: 'conflict',
  })
  expect(await newer.transaction(accountId, async (tx) => tx.accountId)).toBe(accountId)
  stop.abort(new Error('the lane was lost'))
  await expect(newer.transaction(accountId, async () => 'late')).rejects.toThrow('lane was lost')
})

test('a webhook batch is held, goes on unlocked while Redis is away, which is counted, and needs no lock without keys', async () => {
  await using telemetry = startTelemetry({ service: 'test' })
  const keys = [{ name: 'webhook_message' as const, id: 'wamid.1' }]
  {
    await using held = await holdBatch(ctx, keys)
    expect(held).not.toBeNull()
    await expect(holdBatch(ctx, keys)).rejects.toMatchObject({ failure: 'busy' })
  }
  expect(await holdBatch(ctx, [])).toBeNull()
  await world.redis.kill()
  try {
    expect(await holdBatch(ctx, keys)).toBeNull()
  } finally {
    await world.redis.restart()
  }
  expect(await telemetry.metricsText()).toContain('lockstep_webhook_batches_unlocked_total 1\n')
})

test('a lock that was lost is told from a conflict of the business', () => {
  expect(troubleOf(new LockLost(['a'], 'x', 'x'))).toBe('away')
  expect(troubleOf(new AppError('conflict', 'The campaign is running'))).toBe('own')
})

test('readyz says 503 while PostgreSQL is away and 200 when it is back; healthz and metrics answer all the while', async () => {
  await using health = await serveHealth(ctx)
  const get = async (at: string, port = health.port) => {
    const answer = await fetch(`http://127.0.0.1:${port}${at}`)
    return { status: answer.status, text: await answer.text() }
  }
  expect(await get('/readyz')).toMatchObject({ status: 200 })
  const { accountless } = { accountless: new URL(world.roleUrl('campaigns')).username }
  await world.sql(`alter role ${accountless} nologin`)
  try {
    await world.killBackends()
    await until(async () => (await get('/readyz')).status === 503)
    expect(JSON.parse((await get('/readyz')).text)).toMatchObject({
      status: 'waiting',
      checks: { postgres: false, nats: true, redis: true },
    })
    expect(await get('/healthz')).toMatchObject({ status: 200 })
    expect(await get('/metrics')).toMatchObject({ status: 200 })
  } finally {
    await world.sql(`alter role ${accountless} login`)
  }
  await until(async () => (await get('/readyz')).status === 200)
})

test('metrics name what a feed holds, by lane', async () => {
  using _measure = measureFeed(ctx)
  await world.sql(
    `insert into campaigns.feed_open (lane, key) values ('contacts.identity-updates', 'a');
     insert into campaigns.feed_dead (id, lane, key, kind, row_id, bytes, attempts, created_at, reason)
     values (1, 'contacts.identity-updates', 'a', '', '', 0, 3, now(), 'bad')`,
  )
  await using health = await serveHealth(ctx)
  const text = await (await fetch(`http://127.0.0.1:${health.port}/metrics`)).text()
  expect(text).toMatch(/^lockstep_feed_open\{[^}]*lane="contacts.identity-updates"[^}]*\} 1$/m)
  expect(text).toMatch(/^lockstep_feed_dead\{[^}]*lane="contacts.identity-updates"[^}]*\} 1$/m)
  expect(text).toMatch(/^lockstep_db_transaction_seconds_count/m)
})

const environment = {
  LOCKSTEP_POSTGRES_URL: 'postgres://c:p@h/d',
  LOCKSTEP_NATS_URL: 'nats://h',
  LOCKSTEP_REDIS_URL: 'redis://h',
  LOCKSTEP_GRPC_PLAINTEXT: 'true',
}

test('what a service reads besides is checked in the same breath, and a secret’s value is never repeated', () => {
  const service = {
    name: 'accounts',
    config: serviceConfig({ encryptionKey: keyRingSchema }),
  } as const
  const wrong = { ...environment, LOCKSTEP_POOL_SIZE: '1', LOCKSTEP_ENCRYPTION_KEY: 'hunter2' }
  const read = () => readConfig(service, wrong)
  expect(read).toThrow(
    /LOCKSTEP_POOL_SIZE must be a whole number from 2 to 100\n {2}LOCKSTEP_ENCRYPTION_KEY must be 32 bytes/,
  )
  expect(read).toThrow(/^accounts can't start(?!.*hunter2)/s)
  expect(() => readConfig(service, environment)).toThrow(
    /LOCKSTEP_ENCRYPTION_KEY is missing; it must be 32 bytes/,
  )
  const right = { ...environment, LOCKSTEP_ENCRYPTION_KEY: 'ab'.repeat(32) }
  expect(readConfig(service, right).encryptionKey).toEqual([{ id: 1, key: Buffer.alloc(32, 0xab) }])
})

test('keys are named by id, the one for what is new first; what is no ring of distinct keys is refused', () => {
  const [a, b] = ['ab'.repeat(32), 'cd'.repeat(32)]
  const ring = (text: string) =>
    (keyRingSchema.safeParse(text).data as RingKey[] | undefined)?.map(
      ({ id, key }) => `${id}:${key.toString('hex')}`,
    )
  expect(ring(`1:${a}`)).toEqual(ring(a!))
  expect(ring(`255:${b}, 1:${a}`)).toEqual([`255:${b}`, `1:${a}`])
  const nine = Array.from({ length: 9 }, (_, i) => `${i + 1}:${String(i).repeat(64)}`)
  expect(ring(nine.slice(0, 8).join(','))).toHaveLength(8)
  for (const wrong of [
    '',
    `0:${a}`,
    `256:${a}`,
    `01:${a}`,
    `1:${a},1:${b}`,
    `1:${a},2:${a}`,
    `1:${a},${b}`,
    `1:${a},`,
    `2:${a}0`,
    `-1:${a}`,
    nine.join(','),
  ])
    expect(ring(wrong), wrong).toBeUndefined()
})

test('what is new is sealed with the first key, what is there opens with its own, and without it not', () => {
  const [old, fresh] = [
    { id: 1, key: randomBytes(32) },
    { id: 2, key: randomBytes(32) },
  ]
  const sealed = createSecrets(old.key).seal('EAAG-token', place)
  const both = createSecrets([fresh, old])
  const again = both.seal('EAAG-token', place)
  expect([
    keyIdOf(sealed),
    keyIdOf(again),
    both.open(sealed, place),
    both.open(again, place),
  ]).toEqual([1, 2, 'EAAG-token', 'EAAG-token'])
  expect(createSecrets([fresh]).open(again, place)).toBe('EAAG-token')
  expect(() => createSecrets([fresh]).open(sealed, place)).toThrow(
    /can't be opened: LOCKSTEP_ENCRYPTION_KEY has no key 1, with which/,
  )
  // A key under another's id opens nothing.
  expect(() => createSecrets([{ ...fresh, id: 1 }]).open(sealed, place)).toThrow(/can't be opened/)
  expect(() =>
    createSecrets([{ ...old, id: 2 }]).open(
      Buffer.concat([Buffer.from([2]), sealed.subarray(1)]),
      place,
    ),
  ).toThrow(/can't be opened/)
})

const plain = { name: 'contacts', config: serviceConfig({}) } as const

test('calls in plain text must be asked for; a variable set to nothing is not set', () => {
  expect(
    readConfig(plain, { ...environment, LOCKSTEP_GRPC_PORT: '', LOCKSTEP_DRAIN_MS: '0' }),
  ).toMatchObject({
    grpcPort: 7000,
    drainMs: 0,
    tls: null,
  })
  expect(() => readConfig(plain, { ...environment, LOCKSTEP_GRPC_PLAINTEXT: 'false' })).toThrow(
    /mutual TLS/,
  )
  expect(() => readConfig(plain, { ...environment, NODE_ENV: 'production' })).toThrow(
    'LOCKSTEP_GRPC_PLAINTEXT must not be true where NODE_ENV is production',
  )
  const eased = {
    name: 'events',
    config: serviceConfig({ anyUrl: developmentFlag('Any URL') }),
  } as const
  const own = { ...environment, LOCKSTEP_ANY_URL: 'true' }
  expect(readConfig(eased, own).anyUrl).toBe(true)
  expect(() => readConfig(eased, { ...own, NODE_ENV: 'production' })).toThrow(
    'LOCKSTEP_ANY_URL must not be true where NODE_ENV is production',
  )
  const files = {
    LOCKSTEP_GRPC_TLS_CA: 'a',
    LOCKSTEP_GRPC_TLS_CERT: 'b',
    LOCKSTEP_GRPC_TLS_KEY: 'c',
  }
  expect(readConfig(plain, { ...environment, ...files }).tls).toEqual({
    ca: 'a',
    cert: 'b',
    key: 'c',
  })
  const addresses = { LOCKSTEP_WEBHOOK_GATEWAY_ADDRESS: 'h:1', LOCKSTEP_API_ADDRESS: '' }
  expect(readConfig(plain, { ...environment, ...addresses }).addresses).toMatchObject({
    'webhook-gateway': 'h:1',
    api: 'api:7000',
  })
})

test('a text must be there and an id can be one of ours', () => {
  expect(requireText('  a ', 'name')).toBe('a')
  expect(() => requireText(' ', 'name')).toThrow('"name" is missing')
  expect(() => requireText('aaa', 'name', 2)).toThrow('longer than 2')
  expect(requireId('0198C000-0000-7000-8000-000000000001', 'campaign')).toBe(
    '0198c000-0000-7000-8000-000000000001',
  )
  expect(() => requireId("1' or true", 'campaign')).toThrow(
    expect.objectContaining({ failure: 'not_found' }),
  )
})
