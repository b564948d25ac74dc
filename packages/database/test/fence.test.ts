import { locks } from '@lockstep/contracts'
import { openRedis, untilReady } from '@lockstep/locks'
import { createWorld, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, fence, openDatabase, query, raiseFence, sql } from '../src/index.ts'

const stack = new AsyncDisposableStack()
let world: World
let db: Database

beforeAll(async () => {
  world = stack.use(await createWorld())
  await world.sql(
    'create table templates.scratch (writer text primary key); grant all on templates.scratch to templates',
  )
  db = stack.use(await openDatabase({ url: world.roleUrl('templates'), schema: 'templates' }))
})
afterAll(() => stack.disposeAsync())

const write = (held: { key: string; token: string }, writer: string) =>
  db.system(async (tx) => {
    await fence(tx, held)
    await query(tx, sql`insert into scratch values (${writer})`)
  })
const writers = async () =>
  (await world.sql('select writer from templates.scratch order by 1')).map((row) => row.writer)

test('once a newer holder has come, the older one’s transaction is rolled back, also after Redis has forgotten everything', async () => {
  const older = await raiseFence(db, 'template_sync', 'a')
  await write(older, 'older, in time')
  const redis = openRedis(world.redis.url)
  await untilReady(redis, 5_000)
  await redis.flushall()
  redis.disconnect()
  const newer = await raiseFence(db, 'template_sync', 'a')
  expect(BigInt(newer.token)).toBeGreaterThan(BigInt(older.token))
  await expect(write(older, 'older, too late')).rejects.toMatchObject({
    failure: 'conflict',
    details: { keys: [locks.template_sync.key('a')] },
  })
  await write(newer, 'newer')
  expect(await writers()).toEqual(['newer', 'older, in time'])
})

test('a newer holder waits for a guarded transaction under way, so that none commits behind its back', async () => {
  const older = await raiseFence(db, 'template_sync', 'b')
  const order: string[] = []
  const fenced = Promise.withResolvers<void>()
  const working = db.system(async (tx) => {
    await fence(tx, older)
    fenced.resolve()
    await query(tx, sql`select pg_sleep(0.2)`)
    order.push('guarded work')
  })
  await fenced.promise
  await raiseFence(db, 'template_sync', 'b').then(() => order.push('newer holder'))
  await working
  expect(order).toEqual(['guarded work', 'newer holder'])
})

test('fences of different locks do not meet', async () => {
  const one = await raiseFence(db, 'template_sync', 'c')
  await raiseFence(db, 'template_sync', 'd')
  await write(one, 'c')
})
