import { type LaneName, lanes, partitionOf } from '@lockstep/contracts'
import { createWorld, until, type World } from '@lockstep/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  type BaseContext,
  createBaseContext,
  feedService,
  localFeed,
  remoteFeed,
  serveEndpoints,
  sweepFeed,
} from '../src/index.ts'
import { configOf } from './fixtures/config.ts'
import { lane } from './fixtures/lane.ts'

const stack = new AsyncDisposableStack()
let world: World
let ctx: BaseContext
let woken: string[] = []
const times = (partition: number, of: LaneName = lane) =>
  woken.filter((it) => it === `${of} ${partition}`).length

beforeAll(async () => {
  world = stack.use(await createWorld())
  const base = stack.use(await createBaseContext(configOf(world, 'campaigns'), [], { scale: 0.01 })) // sweeps every 50 ms
  const wakePartition: BaseContext['messaging']['wakePartition'] = (of, partition) => {
    woken.push(`${of} ${partition}`)
    base.messaging.wakePartition(of, partition)
  }
  ctx = { ...base, messaging: { ...base.messaging, wakePartition } }
})
afterAll(() => stack.disposeAsync())
beforeEach(async () => {
  woken = []
  await world.sql('truncate campaigns.feed_open restart identity')
})

const insert = (from: number, to: number) =>
  world.sql(
    `insert into campaigns.feed_open (lane, key) select '${lane}', 'k' || lpad(n::text, 5, '0') from generate_series(${from}, ${to}) n`,
  )

test('every partition with a due entry is woken in each round, however many keys are stuck', async () => {
  await insert(1, 2_500)
  await using _sweeper = sweepFeed(ctx)
  await until(() => new Set(woken).size === lanes[lane].partitions)
  const before = times(partitionOf(lane, 'k00001'))
  await until(() => times(partitionOf(lane, 'k00001')) > before + 2)
})

test('a lane that nobody knows is not woken, nor one whose entries stand elsewhere', async () => {
  await insert(1, 1)
  await world.sql(
    "insert into campaigns.feed_open (lane, key) values ('toString', 'x'), ('templates.sync', 'y')",
  )
  await using _sweeper = sweepFeed(ctx)
  await until(() => times(partitionOf(lane, 'k00001')) > 2)
  expect(new Set(woken)).toEqual(new Set([`${lane} ${partitionOf(lane, 'k00001')}`]))
})

test('asked by a worker, the producer wakes all due partitions of that lane now, and of no other', async () => {
  await insert(1, 1_500)
  await world.sql(
    "insert into campaigns.feed_open (lane, key) values ('contacts.identity-updates', 'other')",
  )
  await using endpoints = await serveEndpoints(ctx, [feedService(ctx, localFeed(ctx))])
  using source = remoteFeed(`127.0.0.1:${endpoints.grpcPort}`, null)
  await source.wake(lane)
  expect(new Set(woken).size).toBeGreaterThan(250)
  expect(
    times(partitionOf('contacts.identity-updates', 'other'), 'contacts.identity-updates'),
  ).toBe(0)
  await expect(source.wake('no.lane' as typeof lane)).rejects.toMatchObject({ failure: 'invalid' })
})
