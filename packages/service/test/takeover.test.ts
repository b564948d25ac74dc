import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { laneSettings } from '@lockstep/contracts'
import { openRedis, untilReady } from '@lockstep/locks'
import { openLaneView, openMessaging } from '@lockstep/messaging'
import { createLogger } from '@lockstep/telemetry'
import { createWorld, until, type World } from '@lockstep/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'

const quick = 0.2
const partition = 7
let stack: AsyncDisposableStack
let world: World

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  world = stack.use(await createWorld())
  stack.defer(forgetLocks)
})
afterEach(() => stack.disposeAsync())

/** Whoever was killed leaves a lock behind, free for whoever asks. */
async function forgetLocks(): Promise<void> {
  const redis = openRedis(world.redis.url)
  await untilReady(redis, 2_000).then(
    () => redis.flushall(),
    () => undefined,
  )
  redis.disconnect()
}

/** A process that takes a partition and its lock, and keeps them. */
async function startHolder(scale: number) {
  const options = JSON.stringify({ natsUrl: world.nats.url, redisUrl: world.redis.url, scale })
  const child = fork(path.resolve(import.meta.dirname, 'fixtures/holder.ts'), [options])
  const said: string[] = []
  child.on('message', (what) => said.push(String(what)))
  const says = (what: string, timeoutMs?: number) =>
    until(async () => said.includes(what), timeoutMs)
  stack.defer(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  await says('ready')
  return { child, said, says }
}

/** Two processes, the first of which holds the partition. */
async function startPair(scale: number) {
  const holder = await startHolder(scale)
  const messaging = stack.use(
    await openMessaging({
      url: world.nats.url,
      name: 'ringer',
      log: createLogger({ service: 'test', level: 'silent' }),
    }),
  )
  messaging.wakePartition('campaigns.run', partition)
  await holder.says('holds')
  const other = await startHolder(scale)
  messaging.wakePartition('campaigns.run', partition)
  return { holder, other }
}

/** Wake-ups of the partition that were given out and not answered. */
async function unanswered(): Promise<number> {
  await using view = await openLaneView({ url: world.nats.url, name: 'test' })
  return (await view.consumers()).reduce((sum, { unacknowledged }) => sum + unacknowledged, 0)
}

test('the partition and the lock of a process that is killed are with another within 5 s', async () => {
  const { holder, other } = await startPair(1)
  const killedAt = performance.now()
  holder.child.kill('SIGKILL')
  await other.says('holds')
  expect(performance.now() - killedAt).toBeLessThan(5_000)
}, 30_000)

test('a stopped process loses its partition before ack_wait is over, and sends and begins nothing when it goes on', async () => {
  const { holder, other } = await startPair(quick)
  const stoppedAt = performance.now()
  holder.child.kill('SIGSTOP')
  await other.says('holds')
  expect(performance.now() - stoppedAt).toBeLessThan(laneSettings.ackWaitMs * quick * 0.85)
  holder.child.send('release') // the first thing that it finds
  holder.child.kill('SIGCONT')
  await holder.says('lost')
  await holder.says('was told to release')
  expect(await unanswered()).toBe(1)
  expect(holder.said.filter((what) => what === 'holds')).toHaveLength(1)
}, 30_000)

test('a process whose event loop stands still for 3 s loses nothing, and its last word counts', async () => {
  const { holder, other } = await startPair(1)
  holder.child.send({ blockMs: 3_000 })
  holder.child.send('release')
  await holder.says('was told to release')
  const holds = () => [...holder.said, ...other.said].filter((what) => what === 'holds').length
  await until(async () => holds() === 2, 5_000) // its word was heard: the wake-up that was woken meanwhile is given out
  expect(holder.said).not.toContain('lost')
}, 30_000)

test.each(['redis', 'nats'] as const)(
  '%s away for 3 s costs nobody what he holds',
  async (which) => {
    const { holder, other } = await startPair(1)
    await world[which].kill()
    const backAt = performance.now() + 3_000 // the time itself is what is tested
    await until(async () => performance.now() > backAt)
    await world[which].restart()
    const judgedAt = performance.now() + 4_000 // longer than a dead process is noticed in
    await until(async () => performance.now() > judgedAt)
    expect([holder.said, other.said]).toEqual([['ready', 'holds'], ['ready']])
    holder.child.send('release')
    await holder.says('was told to release')
  },
  30_000,
)

test('while Redis is away the partition of a process that is killed is with another after ack_wait, as without any of this', async () => {
  const { holder, other } = await startPair(quick)
  await world.redis.kill()
  holder.child.kill('SIGKILL')
  await other.says('holds, without a lock')
}, 30_000)
