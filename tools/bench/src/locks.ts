import { locks as table } from '@lockstep/contracts'
import {
  createLocks,
  type LockKey,
  type Locks,
  openRedis,
  type Redis,
  untilReady,
} from '@lockstep/locks'
import { startTelemetry } from '@lockstep/telemetry'
import { Redis as BareRedis } from 'ioredis'
import { Mutex } from 'redis-semaphore'
import Redlock from 'redlock'
import { type Bench, type BenchContext, besidePeers, growth } from './bench.ts'
import type { Check } from './check.ts'
import { idleAfter, meterBench, meterProcesses } from './cpu.ts'
import { type Comparison, type Contender, compare, repeat } from './measure.ts'
import { countRoundTrips } from './round-trips.ts'
import { ownRedis } from './servers.ts'

const { ttlMs } = table.webhook_process
/** As many keys as a webhook of 59 messages takes in one hold. */
const batchSize = 60

/** Acquire and release, beside the two round trips that any lock in Redis has to make. */
export const run: Bench = async (ctx) => {
  await using stack = new AsyncDisposableStack()
  stack.use(startTelemetry({ service: 'bench' })) // counting is part of the work
  const server = stack.use(await ownRedis(ctx))
  const connected = async (redis: Redis) => {
    stack.adopt(redis, (each) => each.disconnect())
    await untilReady(redis, 5_000)
    return redis
  }
  const openOurs = () => connected(openRedis(server.url))
  const openBare = () => connected(new BareRedis(server.url)) // the client as everyone has it
  const locks = stack.use(await createLocks({ redis: await openOurs(), instanceId: 'bench' }))
  const [bare, forRedlock, forSemaphore, together] = [
    await openBare(),
    await openBare(),
    await openBare(),
    await openOurs(),
  ]

  const meter = meterProcesses(() => [meterBench, { name: 'redis', pid: server.pid }])
  const against = (atOnce: number, keys: number): Promise<Comparison> => {
    ctx.say(`${keys} keys, ${atOnce} at once`)
    return compare({
      ...ctx,
      meter,
      idleAtOnce: true,
      what: `${keys === 1 ? '1 key' : `${keys} keys in one hold`}, ${atOnce} at once`,
      work: ours(locks, atOnce, keys),
      floor: twoRoundTrips(bare, atOnce),
      peers: [redlock(forRedlock, atOnce, keys), semaphore(forSemaphore, atOnce, keys)],
      others: atOnce > 1 ? [twoRoundTrips(together, atOnce, 'PING, PING on our client')] : [],
      ...(keys === 1 && { reach: 0.7 }),
    })
  }
  const one = await against(1, 1)
  const many = await against(64, 1)
  const batch = await against(1, batchSize)
  const sizes = [one, await against(1, 4), await against(1, 16)]
  return {
    size: `${ctx.rounds} rounds of ${one.operations} (1 at once), ${many.operations} (64 at once), ${batch.operations} (batches of ${batchSize})`,
    comparisons: [one, many, batch],
    growth: growth(sizes),
    checks: [
      await roundTripsOfABatch(ctx, server.url),
      ...[one, many, batch].flatMap(besidePeers),
      await idleAfter(meter),
    ],
  }
}

const contender = (
  name: string,
  atOnce: number,
  operation: (i: number) => Promise<unknown>,
): Contender => ({
  name,
  run: (operations) => repeat(operations, atOnce, operation),
})

function lockKeys(i: number, count: number): LockKey[] {
  const messages = Array.from({ length: count - 1 }, (_, n) => ({
    name: 'webhook_message' as const,
    id: `wamid.${i}.${n}`,
  }))
  return [{ name: 'webhook_process', id: `${i}` }, ...messages]
}

function ours(locks: Locks, atOnce: number, keys: number): Contender {
  return contender('lockstep', atOnce, async (i) => {
    await using _ =
      keys === 1
        ? await locks.hold('webhook_process', `${i}`)
        : await locks.holdAll(lockKeys(i, keys))
  })
}

function twoRoundTrips(redis: Redis, atOnce: number, name = 'PING, PING'): Contender {
  return contender(name, atOnce, async () => {
    await redis.ping()
    await redis.ping()
  })
}

function redlock(redis: Redis, atOnce: number, keys: number): Contender {
  const locker = new Redlock([redis], { retryCount: 0 })
  return contender('redlock', atOnce, async (i) => {
    const lock = await locker.lock(texts('redlock', i, keys), ttlMs)
    await lock.unlock()
  })
}

/** It has no lock on several keys, so it takes them side by side. */
function semaphore(redis: Redis, atOnce: number, keys: number): Contender {
  const options = { lockTimeout: ttlMs, acquireAttemptsLimit: 1 }
  return contender('redis-semaphore', atOnce, async (i) => {
    const mutexes = texts('semaphore', i, keys).map((key) => new Mutex(redis, key, options))
    await Promise.all(mutexes.map((mutex) => mutex.acquire()))
    await Promise.all(mutexes.map((mutex) => mutex.release()))
  })
}

const texts = (prefix: string, i: number, keys: number): string[] =>
  lockKeys(i, keys).map(({ name, id }) => `${prefix}:${table[name].key(id)}`)

/** Counted on the wire; the sign of life of the process may come between, so the least of several counts. */
async function roundTripsOfABatch(ctx: BenchContext, url: string): Promise<Check> {
  ctx.say('counting round trips')
  await using wire = await countRoundTrips(url)
  await using locks = await createLocks({ redis: wire.url, instanceId: 'counted' })
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) {
    const before = wire.count()
    const lock = await locks.holdAll(lockKeys(i, batchSize))
    await lock.release()
    least = Math.min(least, wire.count() - before)
  }
  return {
    what: `round trips of a batch of ${batchSize} keys, held and released`,
    found: `${least}`,
    reach: '≤ 4',
    ok: least <= 4,
  }
}
