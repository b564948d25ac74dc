import { createClient } from '@lockstep/client'
import { createLimiter, openRedis } from '@lockstep/locks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Api, openApi, openStack, type Stack } from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack

beforeAll(async () => {
  stack = up.use(await openStack())
})
afterAll(() => up.disposeAsync())

const limited = (keyCallsPerMinute: number, accountCallsPerMinute: number) => ({
  ...stack.config,
  keyCallsPerMinute,
  accountCallsPerMinute,
})

/** The first requests of a process take longer. */
async function warmUp(...apis: Api[]): Promise<void> {
  const { key } = await stack.account()
  for (const api of apis) expect((await api.ask(key, 'GET', '/v1/campaigns')).status).toBe(200)
}

test('a key is granted a quarter of its minute at once by all processes together, and told how it stands', async () => {
  await using one = await openApi(limited(16, 4_000), { scale: 1 })
  await using other = await openApi(limited(16, 4_000), { scale: 1 })
  await warmUp(one, other)
  const { key } = await stack.account()
  const replies = await Promise.all(
    Array.from({ length: 24 }, (_, n) => (n % 2 ? one : other).ask(key, 'GET', '/v1/campaigns')),
  )
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(4)
  const [refused] = replies.filter(({ status }) => status === 429)
  expect(refused!.json).toMatchObject({
    code: 'throttled',
    detail: expect.stringMatching(
      /^This API key may make 16 requests a minute, .* again in [1-5] s$/,
    ),
  })
  expect(Number(refused!.headers.get('retry-after'))).toBeLessThanOrEqual(5)
  expect(refused!.headers.get('ratelimit-policy')).toBe('"key";q=16;w=60, "account";q=4000;w=60')
  expect(refused!.headers.get('ratelimit')).toMatch(
    /^"key";r=0;t=(19|20), "account";r=99[4-6];t=1$/,
  )
  expect(refused!.headers.get('ratelimit-limit')).toBe('16')
  expect(refused!.headers.get('ratelimit-remaining')).toBe('0')
  const granted = replies.filter(({ status }) => status === 200)
  const left = granted.map(({ headers }) => Number(headers.get('ratelimit-remaining')))
  expect(left.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
})

test('all keys of an account have its limit together, and another account its own', async () => {
  await using api = await openApi(limited(4_000, 16), { scale: 1 })
  const { key } = await stack.account()
  const client = createClient({ url: api.url, apiKey: key })
  const { key: second } = await client.createApiKey({ body: { name: 'two', rights: ['*'] } })
  const keys = [key, second!]
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, n) => api.ask(keys[n % 2]!, 'GET', '/v1/campaigns')),
  )
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(3)
  const refused = replies.find(({ status }) => status === 429)!
  expect(refused.json.detail).toMatch(/^Your account may make 16 requests a minute/)
  const { key: stranger } = await stack.account()
  expect((await api.ask(stranger, 'GET', '/v1/campaigns')).status).toBe(200)
})

test('without Redis requests are let through, and told nothing of limits', async () => {
  const redis = openRedis('redis://127.0.0.1:9')
  await using api = await openApi(limited(4, 4), { scale: 1, limiter: createLimiter({ redis }) })
  const { key } = await stack.account()
  for (let n = 0; n < 3; n++) {
    const reply = await api.ask(key, 'GET', '/v1/campaigns')
    expect([reply.status, reply.headers.get('ratelimit')]).toEqual([200, null])
  }
  redis.disconnect()
})
