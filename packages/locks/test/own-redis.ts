import { afterAll, beforeAll } from 'vitest'
import { openRedis, type Redis, untilReady } from '../src/index.ts'
import { type OwnRedis, ownRedis } from './redis-server.ts'

/** Of the file that has called `useOwnRedis`. */
export let server: OwnRedis
export let redis: Redis

/** Starts a redis-server for the tests of a file, and ends it after them. */
export function useOwnRedis(): void {
  beforeAll(async () => {
    server = await ownRedis()
    redis = openRedis(server.url)
    await untilReady(redis, 5_000)
  }, 60_000)
  afterAll(async () => {
    redis.disconnect()
    await server[Symbol.asyncDispose]()
  })
}
