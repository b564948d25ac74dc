import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { sendLimits, slotHorizonMs } from '@lockstep/contracts'
import fc from 'fast-check'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createLimiter, LimiterUnavailable, type SendClass, untilReady } from '../src/index.ts'
import { takeSlots } from '../src/send-limit.ts'
import { redis, server, useOwnRedis } from './own-redis.ts'

vi.setConfig({ testTimeout: 30_000 })

useOwnRedis()
beforeEach(() => redis.flushall())

/** The most slots that any window of `windowMs` holds. */
function most(slotsUs: readonly number[], windowMs: number): number {
  const sorted = slotsUs.toSorted((a, b) => a - b)
  let from = 0
  return Math.max(
    0,
    ...sorted.map((at, to) => {
      while ((sorted[from] as number) <= at - windowMs * 1000) from++
      return to - from + 1
    }),
  )
}

/** What a connection grants at once when its second is no bound. */
const open = { connectionId: '7', perMinute: 100, perSecond: 1_000 }

async function redisTimeUs(): Promise<number> {
  const [seconds, us] = await redis.time()
  return Number(seconds) * 1e6 + Number(us)
}

/** Slots booked by four processes that ask as fast as they can, in Redis time. */
async function fourSenders(scale: number, forMs: number): Promise<number[]> {
  const path = fileURLToPath(new URL('./fixtures/sender.ts', import.meta.url))
  const slots = [1, 2, 3, 4].map(async (seed) => {
    const child = fork(path, [server.url, String(scale), String(seed), String(forMs)])
    return (await once(child, 'message'))[0] as number[]
  })
  return (await Promise.all(slots)).flat()
}

describe('the figures of the registry', () => {
  test('the limits stand in Redis under the keys of the registry and grant its figures, no more', async () => {
    const text = await readFile(
      new URL('../../../docs/reference/conflict-analysis.md', import.meta.url),
      'utf8',
    )
    const rows = [...text.matchAll(/^- `(([a-z_]+)[a-z_:]*):\{\w+\}` - (\d+) requests\/minute$/gm)]
    expect(rows).toHaveLength(3)
    const limiter = createLimiter({ redis })
    for (const [, key, name, figure] of rows) {
      const grant = async (id: string): Promise<boolean> => {
        if (name !== 'whatsapp_api_rate_limit')
          return (await limiter.take(name as 'bot_rate_limit', id)).ok
        return (
          (await limiter.takeSend({ ...open, connectionId: id, class: 'agent', count: 1 })).slots
            .length === 1
        )
      }
      for (let i = 0; i < Number(figure); i++) expect(await grant('7'), `${key} ${i}`).toBe(true)
      expect(await grant('7'), key).toBe(false)
      expect(await grant('8'), key).toBe(true)
      expect(await redis.exists(`${key}:7`), key).toBe(1)
    }
  })

  test('a refusal says when the next grant is free, and it is', async () => {
    const limiter = createLimiter({ redis, scale: 0.01 })
    await limiter.take('bot_rate_limit', '7', 5)
    const refused = await limiter.take('bot_rate_limit', '7')
    const from = performance.now()
    if (refused.ok) expect.fail('the sixth was granted')
    expect(refused.retryAfterMs).toBeLessThanOrEqual(610)
    await vi.waitFor(
      async () => expect(await limiter.take('bot_rate_limit', '7')).toEqual({ ok: true }),
      { timeout: 5_000, interval: 5 },
    )
    expect(performance.now() - from).toBeGreaterThan(refused.retryAfterMs - 20)
  })

  test('a campaign has 80 messages of the 100 of a minute, replies the 20 that are kept for them', async () => {
    const limiter = createLimiter({ redis })
    const bulk = await limiter.takeSend({ ...open, class: 'bulk', count: 200 })
    expect(bulk.slots).toHaveLength(80)
    expect(bulk.retryAfterMs).toBeGreaterThan(59_000)
    const replies = await limiter.takeSend({ ...open, class: 'agent', count: 200 })
    expect(replies.slots).toHaveLength(20)
    expect(await redis.keys('whatsapp_api_rate_limit:connection:7')).toHaveLength(1)
  })

  test('replies may use the part of a campaign too, and bots leave some of the reserve to agents', async () => {
    const limiter = createLimiter({ redis })
    expect((await limiter.takeSend({ ...open, class: 'bot', count: 200 })).slots).toHaveLength(95)
    expect((await limiter.takeSend({ ...open, class: 'agent', count: 200 })).slots).toHaveLength(5)
    expect((await limiter.takeSend({ ...open, class: 'bulk', count: 1 })).slots).toHaveLength(0)
  })

  test('one message to a person in six seconds; others are not held up', async () => {
    const limiter = createLimiter({ redis, scale: 0.05 })
    expect(await limiter.takePair('7', ['a', 'b'])).toEqual([null, null])
    const [again, other] = await limiter.takePair('7', ['a', 'c'])
    expect(again).toBeGreaterThan(0)
    expect(again).toBeLessThanOrEqual(300)
    expect(other).toBeNull()
    await vi.waitFor(async () => expect(await limiter.takePair('7', ['a'])).toEqual([null]), {
      timeout: 5_000,
    })
  })
})

describe('slots', () => {
  test('start on the local clock, ascending, at most a second ahead, spread over it', async () => {
    const limiter = createLimiter({ redis })
    const askedAt = performance.now()
    const { slots } = await limiter.takeSend({
      connectionId: '7',
      perMinute: 4_800,
      perSecond: 80,
      class: 'agent',
      count: 200,
    })
    const answeredAt = performance.now()
    expect(slots[0]).toBeGreaterThanOrEqual(askedAt)
    expect(slots[0]).toBeLessThanOrEqual(answeredAt)
    expect(slots.at(-1)).toBeLessThanOrEqual(answeredAt + 1_000)
    expect(slots).toEqual(slots.toSorted((a, b) => a - b))
    expect(
      most(
        slots.map((ms) => ms * 1000),
        100,
      ),
    ).toBeLessThanOrEqual(12)
  })

  test('start when Redis says, however long its answer took', async () => {
    const limiter = createLimiter({ redis })
    const ask = () =>
      limiter.takeSend({
        connectionId: '7',
        perMinute: 4_800,
        perSecond: 80,
        class: 'agent',
        count: 1,
      })
    await ask()
    const other = redis.duplicate()
    await untilReady(other, 5_000)
    await other.client('PAUSE', 400, 'ALL')
    const askedAt = performance.now()
    const { slots } = await ask() // granted when the pause was over
    other.disconnect()
    expect(slots[0]! - askedAt).toBeGreaterThan(350)
    expect(slots[0]! - performance.now()).toBeLessThan(50)
  })

  test('a campaign that keeps asking uses 97 % of its part of a second', async () => {
    const part = 80 - Math.floor(80 * sendLimits.perSecond.replyShare)
    // A campaign books half of the horizon ahead, less one step of its pace: what comes later it has to ask for again.
    const aheadMs = slotHorizonMs / 2 - 15
    const slots: number[] = []
    let askedAtUs = 0
    let askedForMs = 0
    let calls = 0
    await vi.waitFor(
      async () => {
        const want = {
          connectionId: '7',
          perMinute: 4_800,
          perSecond: 80,
          class: 'bulk',
          count: 100,
        } as const
        const { nowUs, slotsUs } = await takeSlots(redis, want, 1, String(calls++))
        if (askedAtUs > 0) askedForMs += Math.min((nowUs - askedAtUs) / 1_000, aheadMs)
        askedAtUs = nowUs
        slots.push(...slotsUs)
        expect(askedForMs).toBeGreaterThan(2_000)
      },
      { timeout: 10_000, interval: 100 },
    )
    const used = slots.filter((at) => at < askedAtUs).length
    expect(used / ((part * askedForMs) / 1_000)).toBeGreaterThanOrEqual(0.97)
  })

  const call = fc.record({
    class: fc.constantFrom<SendClass>('agent', 'bot', 'bulk'),
    count: fc.integer({ min: 1, max: 40 }),
    perMinute: fc.constantFrom(30, 100),
    perSecond: fc.constantFrom(5, 20),
  })

  test('whatever is asked for, at whatever limits, no minute and no second holds more than the highest limit', async () => {
    const scale = 0.005 // a minute is 300 ms
    let run = 0
    const property = fc.asyncProperty(
      fc.array(call, { minLength: 20, maxLength: 120 }),
      fc.integer({ min: 1, max: 8 }),
      async (calls, side) => {
        const connectionId = `run-${run++}`
        const slots: number[] = []
        for (let i = 0; i < calls.length; i += side) {
          const some = calls
            .slice(i, i + side)
            .map((each, j) => takeSlots(redis, { ...each, connectionId }, scale, `${i}.${j}`))
          for (const { slotsUs } of await Promise.all(some)) slots.push(...slotsUs)
          await redis.ping()
        }
        expect(most(slots, 60_000 * scale)).toBeLessThanOrEqual(100)
        expect(most(slots, 1_000 * scale)).toBeLessThanOrEqual(20)
      },
    )
    await fc.assert(property, { numRuns: 40 })
  })

  test('four processes never get more than the limit in any minute or second, and use it', async () => {
    const scale = 0.02 // a minute is 1.2 s
    const slots = await fourSenders(scale, 3 * 61_000 * scale)
    expect(most(slots, 60_000 * scale)).toBeLessThanOrEqual(100)
    expect(most(slots, 1_000 * scale)).toBeLessThanOrEqual(20)
    expect(slots.length).toBeGreaterThanOrEqual(0.97 * 300)
  })

  test('across a flush of Redis it is at most twice the limit', async () => {
    const scale = 0.02
    const booking = fourSenders(scale, 3_000)
    await vi.waitFor(
      async () => expect(await redis.zcard('whatsapp_api_rate_limit:connection:7')).toBe(80),
      { timeout: 10_000 },
    )
    await redis.flushall()
    const slots = await booking
    expect(most(slots, 60_000 * scale)).toBeGreaterThan(100)
    expect(most(slots, 60_000 * scale)).toBeLessThanOrEqual(200)
    expect(most(slots, 1_000 * scale)).toBeLessThanOrEqual(40)
  })

  test('replies within the reserve start at once while a campaign takes all it can', async () => {
    const scale = 0.2
    const limits = { connectionId: '7', perMinute: 4_800, perSecond: 80 }
    let campaign = 0
    for (let second = 0; second < 5; second++) {
      const { slotsUs } = await takeSlots(
        redis,
        { ...limits, class: 'bulk', count: 500 },
        scale,
        `bulk.${second}`,
      )
      campaign += slotsUs.length
      const reply = await takeSlots(
        redis,
        { ...limits, class: 'agent', count: 2 },
        scale,
        `agent.${second}`,
      )
      expect(reply.slotsUs).toEqual([reply.nowUs, reply.nowUs])
      const next = reply.nowUs + sendLimits.perSecond.windowMs * scale * 1000
      await vi.waitFor(async () => {
        const more = await takeSlots(
          redis,
          { ...limits, class: 'bulk', count: 500 },
          scale,
          `more.${campaign}`,
        )
        campaign += more.slotsUs.length
        expect(more.nowUs).toBeGreaterThan(next)
      })
    }
    expect(campaign).toBeGreaterThan(300)
  })

  test('a clock of Redis that was set back does not block a connection', async () => {
    const limiter = createLimiter({ redis })
    const anHourAhead = (await redisTimeUs()) + 3_600e6
    for (let i = 0; i < 80; i++)
      await redis.zadd('whatsapp_api_rate_limit:connection:7', anHourAhead, String(i))
    for (let i = 0; i < 5; i++) await redis.zadd('bot_rate_limit:7', anHourAhead, String(i))
    expect((await limiter.takeSend({ ...open, class: 'bulk', count: 1 })).slots).toHaveLength(1)
    expect(await limiter.take('bot_rate_limit', '7')).toEqual({ ok: true })
  })
})

describe('back-off', () => {
  const inAMinute = async (scale: number, connectionId: string) =>
    (
      await createLimiter({ redis, scale }).takeSend({
        ...open,
        connectionId,
        class: 'bulk',
        count: 500,
      })
    ).slots.length

  test('a throttled connection has half its limits, once for many reports of one event, and others have theirs', async () => {
    const limiter = createLimiter({ redis })
    await Promise.all(Array.from({ length: 20 }, () => limiter.reportThrottled('7')))
    expect(await inAMinute(1, '7')).toBe(40)
    expect(await inAMinute(1, '8')).toBe(80)
  })

  test('its limits double again while Meta is quiet', async () => {
    const scale = 0.02 // recovers every 0.6 s
    const limiter = createLimiter({ redis, scale })
    await vi.waitFor(async () => {
      await limiter.reportThrottled('7')
      expect(await redis.get(sendLimits.backoff.key('7'))).toMatch(/^2 /)
    })
    let connection = 0
    const fresh = async () => {
      const id = `fresh-${connection++}` // its logs are empty, its back-off is that of 7
      await redis.copy(sendLimits.backoff.key('7'), sendLimits.backoff.key(id))
      return inAMinute(scale, id)
    }
    expect(await fresh()).toBe(20)
    await vi.waitFor(async () => expect(await fresh()).toBe(40), { timeout: 5_000 })
    await vi.waitFor(async () => expect(await fresh()).toBe(80), { timeout: 5_000 })
  })

  test('however often Meta throttles, a message a second and ten a minute remain', async () => {
    const limiter = createLimiter({ redis, scale: 0.001 }) // reports 5 ms apart are two events
    await vi.waitFor(
      async () => {
        await limiter.reportThrottled('7')
        expect(await redis.get(sendLimits.backoff.key('7'))).toMatch(/^5 /)
      },
      { interval: 6 },
    )
    await redis.persist(sendLimits.backoff.key('7'))
    const { slots } = await createLimiter({ redis }).takeSend({
      ...open,
      perSecond: 10,
      class: 'agent',
      count: 5,
    })
    expect(slots.length).toBe(1)
  })

  test('nothing starts before the time that Meta named', async () => {
    const limiter = createLimiter({ redis })
    await limiter.reportThrottled('7', 700)
    const askedAt = performance.now()
    const { slots } = await limiter.takeSend({ ...open, class: 'agent', count: 1 })
    expect((slots[0] as number) - askedAt).toBeGreaterThan(600)
    await limiter.reportThrottled('7', 60_000)
    const later = await limiter.takeSend({ ...open, class: 'agent', count: 1 })
    expect(later.slots).toEqual([])
    expect(later.retryAfterMs).toBeGreaterThan(58_000)
  })
})

test('without Redis nothing is granted', async () => {
  const limiter = createLimiter({ redis })
  await server.kill()
  const asked = [
    limiter.takeSend({ ...open, class: 'bulk', count: 1 }),
    limiter.takePair('7', ['a']),
    limiter.take('bot_rate_limit', '7'),
  ]
  for (const result of await Promise.allSettled(asked)) {
    expect(result.status === 'rejected' && result.reason).toBeInstanceOf(LimiterUnavailable)
  }
  await server.start()
  await vi.waitFor(() => limiter.take('bot_rate_limit', '7'), 10_000)
})
