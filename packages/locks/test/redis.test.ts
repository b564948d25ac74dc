import { once } from 'node:events'
import { expect, test } from 'vitest'
import { openRedis, untilReady } from '../src/index.ts'
import { redis, server, useOwnRedis } from './own-redis.ts'

useOwnRedis()

test('texts and bytes of one turn arrive in the order in which they were sent', async () => {
  const bytes = Buffer.from([0, 255, 13, 10])
  await Promise.all([
    redis.rpush('list', 'ä'),
    redis.rpush('list', bytes),
    redis.rpush('list', 'b'),
    redis.rpush('list', bytes, 'c'),
  ])
  expect(await redis.lrangeBuffer('list', 0, -1)).toEqual([
    Buffer.from('ä'),
    bytes,
    Buffer.from('b'),
    bytes,
    Buffer.from('c'),
  ])
})

test('what was sent in the turn in which the connection is closed has arrived', async () => {
  const other = openRedis(server.url)
  await untilReady(other, 5_000)
  const set = other.set('last', 'words').catch(() => undefined)
  other.disconnect()
  await Promise.all([set, once(other, 'end')])
  await expect.poll(() => redis.get('last')).toBe('words')
})
