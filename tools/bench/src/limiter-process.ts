import { setTimeout as delay } from 'node:timers/promises'
import { createLimiter, openRedis, type Redis, type SendClass, untilReady } from '@lockstep/locks'
import { startTelemetry } from '@lockstep/telemetry'
import { Redis as BareRedis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { type Round, repeat } from './measure.ts'

/** One of the processes that share a limit; it does what its parent tells it, one order at a time. */
export type Order =
  /** Calls as fast as it can, over many connections whose limits do not bind. */
  | { kind: 'flood'; contender: ContenderKind; calls: number; atOnce: number; count: number }
  /** Takes all that one connection gives, for a while. */
  | {
      kind: 'drain'
      connectionId: string
      class: SendClass
      perMinute: number
      perSecond: number
      scale: number
      forMs: number
    }

export type ContenderKind = 'work' | 'floor' | 'beside' | 'counter'

export type Report = Round & { slots: number }

interface Connections {
  /** Ours. */
  redis: Redis
  /** The client as everyone has it. */
  bare: Redis
}

/** So many that the limit of none binds at any rate a machine like this reaches. */
const connections = 512
const trivial = 'return 1'

async function flood(
  { redis, bare }: Connections,
  { contender, calls, atOnce, count }: Extract<Order, { kind: 'flood' }>,
): Promise<Report> {
  const limiter = createLimiter({ redis })
  const client = contender === 'floor' ? bare : redis
  const digest = String(await client.script('LOAD', trivial))
  let slots = 0
  const first = Math.floor(Math.random() * connections)
  const connectionId = (i: number) => `flood-${(first + i) % connections}`
  const work = async (i: number) => {
    const limits = { perMinute: 60_000, perSecond: 1_000 } // Meta's top tier
    const granted = await limiter.takeSend({
      connectionId: connectionId(i),
      ...limits,
      class: 'bulk',
      count,
    })
    slots += granted.slots.length
  }
  const floor = async (i: number) => {
    await client.evalsha(digest, 1, connectionId(i))
    slots += count
  }
  // A counter doesn't say when each of several may start: it is asked for each of them.
  const counter = new RateLimiterRedis({
    storeClient: bare,
    points: 1e9,
    duration: 60,
    keyPrefix: 'counter',
  })
  const peer = async (i: number) => {
    await Promise.all(Array.from({ length: count }, () => counter.consume(connectionId(i))))
    slots += count
  }
  const operations = { work, floor, beside: floor, counter: peer }
  return { ...(await repeat(calls, atOnce, operations[contender])), slots }
}

async function drain(
  redis: Redis,
  { scale, forMs, kind: _, ...order }: Extract<Order, { kind: 'drain' }>,
): Promise<Report> {
  const limiter = createLimiter({ redis, scale })
  const latenciesMs: number[] = []
  const from = performance.now()
  let slots = 0
  for (;;) {
    const askedAt = performance.now()
    const elapsedMs = askedAt - from
    if (elapsedMs >= forMs) return { operations: latenciesMs.length, elapsedMs, latenciesMs, slots }
    const granted = await limiter.takeSend({ ...order, count: 20 })
    latenciesMs.push(performance.now() - askedAt)
    slots += granted.slots.length
    if (granted.retryAfterMs !== null)
      await delay(Math.min(granted.retryAfterMs, forMs - elapsedMs))
  }
}

async function main(url: string): Promise<void> {
  await using stack = new AsyncDisposableStack()
  stack.use(startTelemetry({ service: 'bench' })) // counting is part of the work
  const redis = stack.adopt(openRedis(url), (each) => each.disconnect())
  const bare = stack.adopt(new BareRedis(url), (each) => each.disconnect())
  await Promise.all([redis, bare].map((each) => untilReady(each, 5_000)))
  process.on('message', async (order: Order) => {
    process.send?.(
      order.kind === 'flood' ? await flood({ redis, bare }, order) : await drain(redis, order),
    )
  })
  process.send?.('ready')
  await new Promise((resolve) => process.once('disconnect', resolve))
}

await main(process.argv[2] ?? '')
