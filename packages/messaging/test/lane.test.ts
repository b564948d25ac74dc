import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  consumerName,
  events,
  laneSettings,
  partitionOf,
  partitionSubject,
} from '@lockstep/contracts'
import { startTelemetry } from '@lockstep/telemetry'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Messaging } from '../src/index.ts'
import {
  eventually,
  messagingOn,
  type OwnNats,
  openManager,
  ownNats,
  scale,
  spawnWorker,
  workOn,
} from './servers.ts'

const lane = 'campaigns.run'
let nats: OwnNats
let messaging: Messaging
let manager: Awaited<ReturnType<typeof openManager>>
beforeAll(async () => {
  nats = await ownNats()
  messaging = await messagingOn(nats.url)
  manager = await openManager(nats.url)
})
afterAll(async () => {
  await manager[Symbol.asyncDispose]()
  await messaging[Symbol.asyncDispose]()
  await nats[Symbol.asyncDispose]()
})

const stored = async (partition: number) => {
  const { state } = await manager.jsm.streams.info('CAMPAIGNS', {
    subjects_filter: partitionSubject(lane, partition),
  })
  return Object.values(state.subjects ?? {})[0] ?? 0
}
const lastSequence = async () => (await manager.jsm.streams.info('CAMPAIGNS')).state.last_seq
const unanswered = async (partition: number) => {
  const info = await manager.jsm.consumers.info('CAMPAIGNS', consumerName(lane, partition))
  return info.num_pending + info.num_ack_pending
}
/** Wakes no sooner than the next wake-up is stored. */
async function wakeApart(partition: number, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    messaging.wakePartition(lane, partition)
    await messaging.flush()
    await delay(laneSettings.storeEveryMs * scale + 2)
  }
}

test('no two workers hold a partition at a time, in two processes', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'lockstep-lane-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(dir, { recursive: true }))
  const options = { url: nats.url, lane, job: 'exclusive', lockFile: join(dir, 'lock') }
  await using a = await spawnWorker(options)
  await using b = await spawnWorker(options)
  await wakeApart(1, 60)
  await eventually(() => a.count('finished') + b.count('finished')).toBeGreaterThan(30)
  expect(a.count('overlap') + b.count('overlap')).toBe(0)
  await eventually(() => unanswered(1)).toBe(0)
})

test('different partitions are held side by side', async () => {
  const started = new Set<number>()
  const all = Promise.withResolvers<void>()
  await using _worker = await workOn(messaging, lane, async (partition) => {
    started.add(partition)
    if (started.size === 5) all.resolve()
    await all.promise // only side by side can all of them come this far
  })
  for (const partition of [11, 12, 13, 14, 15]) messaging.wakePartition(lane, partition)
  await all.promise
})

test('a hundred wake-ups of a partition at once, by any of its keys, are one message', async () => {
  for (let i = 0; i < 100; i++) messaging.wake(lane, 'd1')
  await messaging.flush()
  expect(await stored(partitionOf(lane, 'd1'))).toBe(1)
})

test('a partition that is woken on and on has one stored wake-up in each pause, its worker is told at once, and the last is stored', async () => {
  const heard: number[] = []
  const rests = 6
  const before = await lastSequence()
  const held = Promise.withResolvers<void>()
  const end = Promise.withResolvers<void>()
  const onAssigned = ({ release }: { release(): boolean }) => {
    held.resolve()
    void end.promise.then(release)
  }
  await using _worker = await messaging.consumeLane(lane, {
    onAssigned,
    onWakeUp: (partition) => heard.push(partition),
  })
  messaging.wakePartition(lane, 21)
  await held.promise
  const startedAt = performance.now()
  while (performance.now() - startedAt < rests * laneSettings.storeEveryMs * scale) {
    messaging.wakePartition(lane, 21)
    await delay(5)
  }
  await eventually(() => heard.length).toBeGreaterThan(rests)
  await eventually(() => stored(21)).toBe(2) // the one that is held, and one that waits
  expect((await lastSequence()) - before).toBeLessThanOrEqual(rests + 2)
  end.resolve()
  await eventually(() => stored(21)).toBe(0)
})

test('of a partition whose worker is busy one wake-up waits, however many producers send one', async () => {
  const end = Promise.withResolvers<void>()
  await using _worker = await workOn(messaging, lane, () => end.promise)
  messaging.wakePartition(lane, 31)
  await eventually(() => unanswered(31)).toBe(1)
  for (let i = 0; i < 5; i++) {
    await using other = await messagingOn(nats.url)
    other.wakePartition(lane, 31)
    await other.flush()
  }
  expect(await stored(31)).toBe(2)
  end.resolve()
  await eventually(() => stored(31)).toBe(0)
})

test('a thousand keys leave no more subjects and consumers than there are partitions', async () => {
  const seen = new Set<number>()
  await using _worker = await workOn(messaging, 'webhooks.message', async (partition) =>
    seen.add(partition),
  )
  for (let i = 0; i < 3_000; i++) messaging.wake('webhooks.message', `number-${i}`)
  await messaging.flush()
  await eventually(() => seen.size).toBe(256)
  const { state } = await manager.jsm.streams.info('WEBHOOKS')
  expect(state.consumer_count).toBe(256)
})

test('a partition that is given back to be done again comes again', async () => {
  let tries = 0
  await using _worker = await workOn(messaging, lane, async () => {
    tries += 1
    if (tries < 3) throw new Error('not yet')
  })
  messaging.wakePartition(lane, 41)
  // A wake-up may come twice; what was given back comes until it is done.
  await eventually(() => tries).toBeGreaterThanOrEqual(3)
  await eventually(() => unanswered(41)).toBe(0)
})

test('a quiet partition costs no pull: the gauges return to zero', async () => {
  await using telemetry = startTelemetry({ service: 'test' })
  let handled = 0
  await using _worker = await workOn(messaging, 'templates.sync', async () => {
    handled += 1
  })
  messaging.wakePartition('templates.sync', 51)
  await eventually(() => handled).toBe(1)
  await eventually(telemetry.metricsText).toContain(
    'lockstep_lane_open_pulls{lane="templates.sync"} 0\n',
  )
  await eventually(telemetry.metricsText).toContain(
    'lockstep_lane_active_partitions{lane="templates.sync"} 0\n',
  )
  await eventually(telemetry.metricsText).toContain(
    'lockstep_lane_assigned_partitions{lane="templates.sync"} 0\n',
  )
})

test('disposing waits for what is held, and its answer counts', async () => {
  const started = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const worker = await workOn(messaging, lane, () => {
    started.resolve()
    return release.promise
  })
  await wakeApart(61, 1)
  await started.promise
  const disposed = worker[Symbol.asyncDispose]()
  await wakeApart(61, 1) // woken while it drains: not begun here
  release.resolve()
  await disposed
  await eventually(() => unanswered(61)).toBe(1)
})

test('what is held longer than the drain loses its lease, and another worker gets it', async () => {
  const leaving = Promise.withResolvers<string>()
  const job = async (_partition: number, lease: { signal: AbortSignal }) => {
    await new Promise((resolve) => lease.signal.addEventListener('abort', resolve))
    leaving.resolve(lease.signal.reason.message)
  }
  const worker = await workOn(messaging, lane, job, { drainMs: 50 })
  messaging.wakePartition(lane, 71)
  await eventually(() => unanswered(71).catch(() => 0)).toBe(1)
  await worker[Symbol.asyncDispose]()
  expect(await leaving.promise).toContain('shutting down')
  expect(await unanswered(71)).toBe(1)

  const taken: number[] = []
  await using _worker = await workOn(messaging, lane, async (partition) => {
    if (partition === 71) taken.push(partition)
  })
  await eventually(() => taken).toEqual([71])
})

test('an event reaches who listens, and nobody else', async () => {
  const seen: unknown[] = []
  using _all = messaging.subscribeEvent(events.campaignChanged, (payload) => seen.push(payload))
  messaging.publishEvent(events.appsChanged, { id: '1' })
  messaging.publishEvent(events.campaignChanged, { id: '2' })
  await eventually(() => seen).toEqual([{ id: '2' }])
})
