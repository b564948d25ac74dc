import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { AppError, LockLost } from '@lockstep/contracts'
import { query, sql } from '@lockstep/database'
import { appendFeed } from '@lockstep/feeds'
import { createWorld, until, type World } from '@lockstep/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type BaseContext,
  createBaseContext,
  feed,
  type LaneHandler,
  localFeed,
  sideBySide,
  sweepFeed,
  work,
} from '../src/index.ts'
import { configOf } from './fixtures/config.ts'
import {
  lane,
  otherLane,
  type Producer,
  startProducer,
  startWorker,
  writeEffects,
} from './fixtures/lane.ts'

const accountId = '0198c000-0000-7000-8000-000000000001'
let stack: AsyncDisposableStack
let world: World

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  world = stack.use(await createWorld())
  await world.sql(`create table contacts.effects (id bigint generated always as identity, row_id text primary key, key text not null);
    create table contacts.visits (row_id text not null);
    grant all on contacts.effects, contacts.visits to contacts`)
})
afterEach(() => stack.disposeAsync())

const produce = async (options?: { sweeps?: boolean }) =>
  stack.use(await startProducer(configOf(world, 'campaigns'), options))
const addressOf = (producer: Producer) => `127.0.0.1:${producer.grpcPort}`
const consume = async (producer: Producer, handler: LaneHandler<BaseContext> = writeEffects) =>
  stack.use(await startWorker(configOf(world, 'contacts'), addressOf(producer), handler))

/** Entries named 0, 1, 2 … of a key, written in one transaction; with a wake-up unless it is to be lost. */
const append = ({ ctx }: Producer, key: string, count: number, { wakeUps = true } = {}) =>
  ctx.db.transaction(accountId, async (tx) => {
    for (let i = 0; i < count; i++) {
      const entry = { lane, key, rowId: `${key}-${i}` } as const
      await (wakeUps ? feed(ctx, tx, entry) : appendFeed(tx, entry))
    }
  })
const ids = (key: string, count: number) => Array.from({ length: count }, (_, i) => `${key}-${i}`)
const effects = async (key: string) =>
  (await world.sql('select row_id from contacts.effects where key = $1 order by id', [key])).map(
    (row) => row.row_id,
  )
const visits = async (rowId: string) =>
  Number(
    (await world.sql('select count(*) from contacts.visits where row_id = $1', [rowId]))[0]!.count,
  )
const open = () => world.sql('select row_id, attempts from campaigns.feed_open order by id')
const dead = () => world.sql('select row_id, attempts, reason from campaigns.feed_dead order by id')
const settled = () => until(async () => (await open()).length === 0)

test('a worker that is killed between its commit and the settling leaves exactly one effect of each entry', async () => {
  const producer = await produce()
  const env = {
    STUCK_WORKER: JSON.stringify({
      config: configOf(world, 'contacts'),
      feedAddress: addressOf(producer),
    }),
  }
  const file = path.resolve(import.meta.dirname, 'fixtures/stuck-worker.ts')
  const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  stack.defer(() => void child.kill('SIGKILL'))
  await append(producer, 'a', 3)
  await once(child.stdout, 'data')
  expect(await open()).toHaveLength(3)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await consume(producer)
  await settled()
  expect(await effects('a')).toEqual(ids('a', 3))
  expect(await visits('a-0')).toBe(2) // it was handled twice, to one effect
})

test('two workers on one lane give every entry of every key one effect, in the order of its key', async () => {
  const producer = await produce()
  await consume(producer)
  await consume(producer)
  const keys = ['a', 'b', 'c', 'd']
  for (let round = 0; round < 3; round++)
    await Promise.all(keys.map((key) => append(producer, `${key}${round}`, 200)))
  await settled()
  for (const key of keys)
    for (let round = 0; round < 3; round++)
      expect(await effects(`${key}${round}`)).toEqual(ids(`${key}${round}`, 200))
})

test('one bad entry of 500 costs its neighbours nothing: 499 effects in order, and it is dead after three tries', async () => {
  const producer = await produce()
  const bad = 'a-249'
  const tries: number[] = []
  await append(producer, 'a', 500)
  await consume(producer, async (ctx, key, entries, lease) => {
    if (entries.some((entry) => entry.rowId === bad)) {
      tries.push(entries.length)
      throw new TypeError('cannot read this one')
    }
    return writeEffects(ctx, key, entries, lease)
  })
  await settled()
  expect(await dead()).toEqual([{ row_id: bad, attempts: 3, reason: 'cannot read this one' }])
  expect(await effects('a')).toEqual(ids('a', 500).filter((id) => id !== bad))
  expect(tries).toEqual([500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1]) // halved down to it, then alone
})

test('connections to PostgreSQL that are killed in mid-batch hold the lane back and blame no entry', async () => {
  const producer = await produce({ sweeps: true })
  let kills = 3
  const attempts = new Set<number>()
  await consume(producer, async (ctx, key, entries) => {
    for (const entry of entries) attempts.add(entry.attempts)
    await ctx.db.system(async (tx) => {
      if (kills-- > 0) await world.killBackends()
      for (const { rowId } of entries)
        await query(
          tx,
          sql`insert into effects (row_id, key) values (${rowId}, ${key}) on conflict do nothing`,
        )
    })
    return []
  })
  await append(producer, 'a', 50)
  await settled()
  expect(kills).toBeLessThanOrEqual(0)
  expect(attempts).toEqual(new Set([0]))
  expect(await effects('a')).toEqual(ids('a', 50))
})

test.each([
  ['a service is away', new AppError('busy', 'No connection established')],
  ['a lock was lost', new LockLost(['contact_import:account:1'], 'x', 'lost')],
  ['a call took too long', new DOMException('late', 'TimeoutError')],
])('when %s no entry is blamed, however often', async (_what, error) => {
  const producer = await produce()
  const failures: number[] = []
  await consume(producer, async (ctx, key, entries, lease) => {
    failures.push(...entries.map((entry) => entry.attempts))
    if (failures.length < 10) throw error
    return writeEffects(ctx, key, entries, lease)
  })
  await append(producer, 'a', 2)
  await settled()
  expect(new Set(failures)).toEqual(new Set([0]))
})

test('what is known before something goes away is settled, so that a bad entry is counted once for each try', async () => {
  const producer = await produce()
  const attempts: number[] = []
  let away = true
  await append(producer, 'a', 3)
  await consume(producer, async (ctx, key, entries, lease) => {
    if (entries.some((entry) => entry.rowId === 'a-0')) {
      if (entries.length === 1) attempts.push(entries[0]!.attempts)
      throw new TypeError('bad')
    }
    if (away && entries[0]!.rowId === 'a-1') {
      away = false
      throw new AppError('busy', 'away')
    }
    return writeEffects(ctx, key, entries, lease)
  })
  await settled()
  expect(await dead()).toMatchObject([{ row_id: 'a-0' }])
  expect(attempts).toEqual([0, 1, 2])
  expect(await effects('a')).toEqual(['a-1', 'a-2'])
})

test('a lost wake-up is sent again by the sweeper', async () => {
  const producer = await produce()
  await append(producer, 'first', 1, { wakeUps: false })
  await consume(producer)
  await settled() // the worker has caught up with what waited, and asks no more
  await append(producer, 'a', 1, { wakeUps: false })
  stack.use(sweepFeed(producer.ctx))
  await settled()
  expect(await effects('a')).toEqual(['a-0'])
})

test('a worker that starts asks for wake-ups of the work that waits: nobody sweeps here, and the first wake-ups are lost', async () => {
  const producer = await produce()
  for (const key of ['a', 'b', 'c']) await append(producer, key, 2, { wakeUps: false })
  await consume(producer)
  await settled()
})

test('a worker whose producer is away at first catches up as soon as it is there', async () => {
  const first = await startProducer(configOf(world, 'campaigns'))
  await append(first, 'a', 1, { wakeUps: false })
  const { grpcPort } = first
  await first[Symbol.asyncDispose]()
  stack.use(await startWorker(configOf(world, 'contacts'), `127.0.0.1:${grpcPort}`, writeEffects))
  stack.use(await startProducer({ ...configOf(world, 'campaigns'), grpcPort }))
  await settled()
})

test('work that is put off comes back at its time without a sweeper, and no try is counted', async () => {
  const producer = await produce()
  const seen: number[] = []
  await consume(producer, async (_ctx, _key, entries) => {
    seen.push(...entries.map((entry) => entry.attempts))
    return seen.length < 3 ? entries.map(({ id }) => ({ id, laterMs: 100 })) : []
  })
  await append(producer, 'a', 1)
  await settled()
  expect(seen).toEqual([0, 0, 0])
})

test('a key that never runs dry gives its lane back, and a stop waits for the batch under way only', async () => {
  const { ctx } = await produce()
  let batches = 0
  const worker = await work(ctx, lane, localFeed(ctx), async (_ctx, key) => {
    batches++
    await ctx.db.transaction(accountId, (tx) => appendFeed(tx, { lane, key }))
    return []
  })
  await ctx.db.transaction(accountId, (tx) => feed(ctx, tx, { lane, key: 'endless' }))
  await until(() => batches > 20)
  const startedAt = performance.now()
  await worker[Symbol.asyncDispose]()
  expect(performance.now() - startedAt).toBeLessThan(ctx.config.drainMs / 2)
  const stopped = batches
  await ctx.db.transaction(accountId, (tx) => feed(ctx, tx, { lane, key: 'endless' }))
  await ctx.messaging.flush()
  expect(batches).toBe(stopped)
})

test('a stop whose handlers never end takes the time of one lane, not of all: Kubernetes gives a service 30 s', async () => {
  const drainMs = 1_000
  const ctx = stack.use(
    await createBaseContext({ ...configOf(world, 'campaigns'), drainMs }, [], { scale: 0.05 }),
  )
  const begun = new Set<string>()
  const stuck: LaneHandler<BaseContext> = async (_ctx, key) => {
    begun.add(key)
    return new Promise(() => undefined)
  }
  const both = await sideBySide([
    work(ctx, lane, localFeed(ctx), stuck),
    work(ctx, otherLane, localFeed(ctx), (own, entries, lease) =>
      stuck(own, entries[0]!.key, entries, lease),
    ),
  ])
  await ctx.db.transaction(accountId, async (tx) => {
    await feed(ctx, tx, { lane, key: 'a' })
    await feed(ctx, tx, { lane: otherLane, key: 'b' })
  })
  await until(() => begun.size === 2)
  const startedAt = performance.now()
  await both[Symbol.asyncDispose]()
  expect(performance.now() - startedAt).toBeLessThan(2 * drainMs)
})
