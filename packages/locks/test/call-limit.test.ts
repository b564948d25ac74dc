import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { callLimits } from '@lockstep/contracts'
import { beforeEach, expect, test, vi } from 'vitest'
import { createLimiter, LimiterUnavailable, openRedis } from '../src/index.ts'
import { redis, server, useOwnRedis } from './own-redis.ts'

vi.setConfig({ testTimeout: 30_000 })

useOwnRedis()
beforeEach(() => redis.flushall())

const key = (perMinute: number, id = 'k') => ({ name: 'api_caller', id, perMinute }) as const
const account = (perMinute: number) => ({ name: 'api_account', id: 'a', perMinute }) as const

test('four processes that call again and again never have more than the limit in a minute', async () => {
  const [scale, perMinute, forMs] = [0.02, 80, 4_000]
  const path = fileURLToPath(new URL('./fixtures/caller.ts', import.meta.url))
  const callers = Array.from({ length: 4 }, async () => {
    const child = fork(path, [server.url, String(scale), String(perMinute), String(forMs)])
    return (await once(child, 'message'))[0] as number[]
  })
  const granted = (await Promise.all(callers)).flat().toSorted((a, b) => a - b)
  expect(most(granted, 60_000 * scale)).toBeLessThanOrEqual(perMinute)
  const minutes = forMs / (60_000 * scale)
  expect(granted.length).toBeGreaterThan(perMinute * 0.75 * (minutes - 1))
})

/** The most entries that any window of `windowMs` holds, less 5 ms for the way of the clock's answer. */
function most(sortedUs: readonly number[], windowMs: number): number {
  let from = 0
  return Math.max(
    ...sortedUs.map((at, to) => {
      while (sortedUs[from]! <= at - (windowMs - 5) * 1000) from++
      return to - from + 1
    }),
  )
}

test('a quarter of a minute is granted at once, then one after the other, each when it was told', async () => {
  const limiter = createLimiter({ redis, scale: 0.02 })
  const ask = async () => (await limiter.takeCall([key(40)]))[0]!
  const left = []
  for (let i = 0; i < 10; i++) left.push((await ask()).remaining)
  expect(left[0]).toBe(9)
  const refused = await ask()
  expect(refused.remaining).toBe(0)
  expect(refused.retryAfterMs).toBeGreaterThan(0)
  expect(refused.retryAfterMs).toBeLessThanOrEqual((60_000 * 0.02) / 30 + 1)
  await vi.waitFor(async () => expect((await ask()).retryAfterMs).toBe(0), { interval: 2 })
  expect((await ask()).resetMs).toBeGreaterThan(0)
})

test('what one limit refuses counts against none', async () => {
  const limiter = createLimiter({ redis })
  await limiter.takeCall([key(4)])
  const [ofKey, ofAccount] = await limiter.takeCall([key(4), account(400)])
  expect(ofKey!.retryAfterMs).toBeGreaterThan(0)
  expect(ofAccount).toEqual({ remaining: 100, resetMs: 0, retryAfterMs: 0 })
  expect(await redis.exists(callLimits.api_account.key('a'))).toBe(0)
  const [other] = await limiter.takeCall([key(4, 'other')])
  expect(other!.retryAfterMs).toBe(0)
})

test('a key goes by itself when its calls are worked off, and one from a clock ahead is cut', async () => {
  const limiter = createLimiter({ redis })
  const name = callLimits.api_caller.key('k')
  await limiter.takeCall([key(4)])
  expect(await redis.pttl(name)).toBeLessThanOrEqual(20_000)
  await redis.set(name, String((Date.now() + 3_600_000) * 1000))
  const [refused] = await limiter.takeCall([key(4)])
  expect(refused!.retryAfterMs).toBeLessThanOrEqual(20_000)
})

test('without Redis nothing is granted', async () => {
  const away = openRedis('redis://127.0.0.1:9')
  await expect(createLimiter({ redis: away }).takeCall([key(4)])).rejects.toBeInstanceOf(
    LimiterUnavailable,
  )
  away.disconnect()
})
