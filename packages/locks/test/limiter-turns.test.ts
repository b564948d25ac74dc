import { rateLimits, sendLimits } from '@lockstep/contracts'
import { beforeEach, expect, test, vi } from 'vitest'
import { createLimiter, LimiterUnavailable, type SendClass } from '../src/index.ts'
import { takeSlots } from '../src/send-limit.ts'
import { redis, server, useOwnRedis } from './own-redis.ts'

vi.setConfig({ testTimeout: 30_000 })

useOwnRedis()
beforeEach(() => redis.flushall())

const wide = { perMinute: 60_000, perSecond: 1_000 }
const minuteKey = rateLimits.whatsapp_api_rate_limit.key

/** Scripts that Redis has run. */
async function scriptsRun(): Promise<number> {
  const text = await redis.info('commandstats')
  return [...text.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  )
}

test('what is asked for in one turn is asked in one call, and each gets the slots of its own connection', async () => {
  const limiter = createLimiter({ redis })
  await limiter.takeSend({ ...wide, connectionId: 'warm', class: 'bulk', count: 1 }) // the server knows the script
  const before = await scriptsRun()
  const granted = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      limiter.takeSend({
        connectionId: `${i}`,
        perMinute: 100,
        perSecond: 1_000,
        class: 'bulk',
        count: 1 + i,
      }),
    ),
  )
  expect((await scriptsRun()) - before).toBe(1)
  expect(granted.map(({ slots }) => slots.length)).toEqual(
    Array.from({ length: 20 }, (_, i) => 1 + i),
  )
  for (let i = 0; i < 20; i++) expect(await redis.zcard(minuteKey(`${i}`))).toBe(1 + i)
})

test('a connection that is asked for many times in one turn gives its limit once', async () => {
  const limiter = createLimiter({ redis })
  const limits = { connectionId: '7', perMinute: 100, perSecond: 1_000, count: 3 }
  const classes: SendClass[] = ['bulk', 'bot', 'agent']
  const granted = await Promise.all(
    Array.from({ length: 60 }, (_, i) => limiter.takeSend({ ...limits, class: classes[i % 3]! })),
  )
  expect(granted.flatMap(({ slots }) => slots)).toHaveLength(100)
  const refused = granted.filter(({ retryAfterMs }) => retryAfterMs !== null)
  expect(Math.max(...refused.map(({ retryAfterMs }) => retryAfterMs!))).toBeGreaterThan(59_000)
})

test('a script books at most some hundred slots, however many are asked for in one turn', async () => {
  const limiter = createLimiter({ redis })
  await limiter.takeSend({ ...wide, connectionId: 'warm', class: 'bulk', count: 1 })
  const before = await scriptsRun()
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      limiter.takeSend({ ...wide, connectionId: `${i}`, class: 'bulk', count: 100 }),
    ),
  )
  expect((await scriptsRun()) - before).toBe(4)
})

test('a limit that is lowered binds what was booked under the higher one', async () => {
  const take = (perMinute: number, nonce: string) =>
    takeSlots(
      redis,
      { connectionId: '7', perMinute, perSecond: 1_000, class: 'bulk', count: 40 },
      1,
      nonce,
    )
  expect((await take(100, 'a')).slotsUs).toHaveLength(40)
  expect((await take(40, 'b')).slotsUs).toHaveLength(0)
  expect((await take(100, 'c')).slotsUs).toHaveLength(40)
  expect((await take(100, 'd')).slotsUs).toHaveLength(0)
})

test('the minute binds when the state of the second was lost', async () => {
  const take = (nonce: string) =>
    takeSlots(
      redis,
      { connectionId: '7', perMinute: 100, perSecond: 1_000, class: 'agent', count: 60 },
      1,
      nonce,
    )
  expect((await take('a')).slotsUs).toHaveLength(60)
  await redis.del(sendLimits.perSecond.key('7'))
  expect((await take('b')).slotsUs).toHaveLength(40)
})

test('every key of a connection goes by itself, soon after its last minute', async () => {
  const scale = 0.01
  const keys = [minuteKey('7'), sendLimits.reserve.key('7'), sendLimits.perSecond.key('7')]
  let calls = 0
  const until = performance.now() + 700 // longer than a minute, so that logs are tidied and begun anew
  while (performance.now() < until) {
    await takeSlots(
      redis,
      { connectionId: '7', perMinute: 100, perSecond: 80, class: 'agent', count: 4 },
      scale,
      `${calls++}`,
    )
    for (const key of keys) expect(await redis.pttl(key), key).not.toBe(-1)
  }
  await vi.waitFor(async () => expect(await redis.exists(...keys)).toBe(0), { timeout: 5_000 })
})

test('a minute whose slots were all given back goes by itself, and is free', async () => {
  const limiter = createLimiter({ redis })
  const want = {
    connectionId: '7',
    perMinute: 10,
    perSecond: 1_000,
    class: 'bulk',
    count: 8,
  } as const
  for (let i = 0; i < 3; i++) {
    const { ids } = await limiter.takeSend(want)
    expect(ids).toHaveLength(8)
    expect(await redis.pttl(minuteKey('7'))).toBeGreaterThan(0)
    await limiter.giveBack({ ...want, ids, recipients: [] })
  }
})

test('without Redis nobody of a turn is granted anything', async () => {
  const limiter = createLimiter({ redis })
  await server.kill()
  const asked = ['1', '2', '3'].map((connectionId) =>
    limiter.takeSend({ ...wide, connectionId, class: 'bulk', count: 1 }),
  )
  for (const result of await Promise.allSettled(asked)) {
    expect(result.status === 'rejected' && result.reason).toBeInstanceOf(LimiterUnavailable)
  }
  await server.start()
  await vi.waitFor(
    () => limiter.takeSend({ ...wide, connectionId: '1', class: 'bulk', count: 1 }),
    10_000,
  )
})
