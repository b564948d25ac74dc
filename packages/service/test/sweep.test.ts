import { createWorld, until, type World } from '@lockstep/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type BaseContext, createBaseContext, feedService, localFeed, openDoors, remoteFeed, ringDue, sweepFeed } from '../src/index.ts'
import { lane } from './fixtures/lane.ts'

const stack = new AsyncDisposableStack()
let world: World
let ctx: BaseContext
let rung: string[] = []
const times = (key: string) => rung.filter((it) => it === key).length

beforeAll(async () => {
  world = stack.use(await createWorld())
  const base = stack.use(await createBaseContext(world.base('campaigns'), [], { scale: 0.01 })) // sweeps every 50 ms
  const ring: BaseContext['messaging']['ring'] = (of, key) => {
    rung.push(key)
    base.messaging.ring(of, key)
  }
  ctx = { ...base, messaging: { ...base.messaging, ring } }
})
afterAll(() => stack.disposeAsync())
beforeEach(async () => {
  rung = []
  ctx.swept.clear()
  await world.sql('truncate campaigns.feed_open restart identity')
})

const insert = (from: number, to: number) =>
  world.sql(
    `insert into campaigns.feed_open (subscriber, key) select '${lane}', 'k' || lpad(n::text, 5, '0') from generate_series(${from}, ${to}) n`,
  )

test('however many keys are stuck, a new one is rung in the next round', async () => {
  await insert(1, 2_500)
  await using _sweeper = sweepFeed(ctx)
  await until(() => new Set(rung).size === 2_500)
  await insert(99_999, 99_999)
  await until(() => times('k99999') > 0)
})

test('a key that gets nothing done is rung ever more rarely; one whose work goes on keeps its pace', async () => {
  await insert(1, 2)
  await using _sweeper = sweepFeed(ctx)
  const goOn = async () => {
    const before = times('k00002')
    await world.sql("delete from campaigns.feed_open where key = 'k00002'")
    await insert(2, 2)
    await until(() => times('k00002') > before)
  }
  for (let i = 0; i < 12; i++) await goOn()
  expect(times('k00001')).toBeGreaterThan(1)
  expect(times('k00001')).toBeLessThan(times('k00002') / 1.5)
})

test('a key is forgotten when nothing of it is due, and a lane that nobody knows is not rung', async () => {
  await insert(1, 1)
  await world.sql("insert into campaigns.feed_open (subscriber, key) values ('toString', 'x')")
  await using _sweeper = sweepFeed(ctx)
  await until(() => ctx.swept.size === 1)
  await world.sql('truncate campaigns.feed_open')
  await until(() => ctx.swept.size === 0)
  expect(times('x')).toBe(0)
})

test('asked by a worker, the producer rings all due keys of that lane now, also those that the sweeper rings rarely', async () => {
  await insert(1, 1_500)
  await world.sql("insert into campaigns.feed_open (subscriber, key) values ('campaigns.run', 'other')")
  ctx.swept.set(`${lane} k00001`, { oldest: '1', waitMs: 60_000, ringAt: performance.now() + 60_000 })
  await using doors = await openDoors(ctx, [feedService(ctx, localFeed(ctx))])
  using source = remoteFeed(`127.0.0.1:${doors.grpcPort}`, null)
  await source.ring(lane)
  expect(new Set(rung).size).toBe(1_500)
  expect(times('other')).toBe(0)
  expect(ctx.swept.size).toBe(0) // the sweeper begins anew with it
  await expect(source.ring('no.lane' as typeof lane)).rejects.toMatchObject({ failure: 'invalid' })
  expect(await ringDue(ctx, lane)).toBe(1_500)
})
