import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { consumerName, events, laneSettings, lanes } from '@lockstep/contracts'
import { startTelemetry } from '@lockstep/telemetry'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Messaging, Verdict } from '../src/index.ts'
import { eventually, messagingOn, type OwnNats, openManager, ownNats, spawnWorker } from './servers.ts'

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

/** Rings so that each ring is a message of its own. */
async function ring(key: string, times = 1): Promise<void> {
  for (let i = 0; i < times; i++) {
    messaging.ring('campaigns.run', key)
    await messaging.flush()
  }
}
const stored = async (key: string) => {
  const { state } = await manager.jsm.streams.info('CAMPAIGNS', { subjects_filter: lanes['campaigns.run'].subject(key) })
  return Object.values(state.subjects ?? {})[0] ?? 0
}
const unanswered = async (key: string) => {
  const info = await manager.jsm.consumers.info('CAMPAIGNS', consumerName('campaigns.run', key))
  return info.num_pending + info.num_ack_pending
}

test('jobs of one key never overlap, with workers in two processes', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'lockstep-lane-'))
  await using up = new AsyncDisposableStack()
  up.defer(() => rm(dir, { recursive: true }))
  const options = { url: nats.url, lane: 'campaigns.run', job: 'exclusive', lockFile: join(dir, 'lock') }
  await using a = await spawnWorker(options)
  await using b = await spawnWorker(options)
  await ring('c1', 60)
  await eventually(() => a.count('finished') + b.count('finished')).toBe(60)
  expect(a.count('overlap') + b.count('overlap')).toBe(0)
  await eventually(() => unanswered('c1')).toBe(0)
})

test('different keys run side by side', async () => {
  const started = new Set<string>()
  const all = Promise.withResolvers<void>()
  await using _worker = await messaging.workLane('campaigns.run', async (key) => {
    started.add(key)
    if (started.size === 5) all.resolve()
    await all.promise // only side by side can all of them come this far
    return 'ack'
  })
  for (const key of ['p1', 'p2', 'p3', 'p4', 'p5']) messaging.ring('campaigns.run', key)
  await all.promise
})

test('a worker runs at most maxActive jobs, and a busy key does not starve a quiet one', async () => {
  let running = 0
  let most = 0
  const order: string[] = []
  await using _worker = await messaging.workLane(
    'campaigns.run',
    async (key) => {
      running += 1
      most = Math.max(most, running)
      await new Promise(setImmediate)
      running -= 1
      order.push(key)
      return 'ack'
    },
    { maxActive: 2 },
  )
  const busy = ['m1', 'm2', 'm3', 'm4']
  for (let i = 0; i < 20; i++) {
    for (const key of busy) messaging.ring('campaigns.run', key)
    await messaging.flush()
  }
  await ring('quiet')
  await eventually(() => order).toContain('quiet')
  await eventually(() => order.length).toBe(81)
  expect(most).toBe(2)
})

test('a hundred rings of a key at once are one message', async () => {
  for (let i = 0; i < 100; i++) messaging.ring('campaigns.run', 'd1')
  await messaging.flush()
  expect(await stored('d1')).toBe(1)
})

test('a key that is rung on and on gets a message every tenth of a second, and its last ring is among them', async () => {
  const startedAt = performance.now()
  while (performance.now() - startedAt < 700) {
    for (let i = 0; i < 5; i++) messaging.ring('campaigns.run', 'd2')
    await delay(5)
  }
  await messaging.flush()
  const before = await stored('d2')
  expect(before).toBeGreaterThan(2)
  expect(before).toBeLessThanOrEqual((performance.now() - startedAt) / laneSettings.busyDebounceMs + 2)
  messaging.ring('campaigns.run', 'd2')
  await eventually(() => stored('d2')).toBe(before + 1)
})

test('a key that could reach another lane is never published', async () => {
  const before = (await manager.jsm.streams.info('CAMPAIGNS')).state.last_seq
  for (const key of ['a.b', 'a b', '*', '>', '']) messaging.ring('campaigns.run', key)
  await messaging.flush()
  expect((await manager.jsm.streams.info('CAMPAIGNS')).state.last_seq).toBe(before)
})

test('a job that throws or is told to wait comes again', async () => {
  const verdicts: (() => Verdict)[] = [
    () => {
      throw new Error('database is away')
    },
    () => ({ nakMs: 20 }),
    () => 'ack',
  ]
  await using _worker = await messaging.workLane('campaigns.run', async () => verdicts.shift()!())
  await ring('r1')
  await eventually(() => verdicts.length).toBe(0)
  await eventually(() => unanswered('r1')).toBe(0)
})

test('a quiet key costs no pull: both gauges return to zero', async () => {
  await using telemetry = startTelemetry({ service: 'test' })
  let handled = 0
  await using _worker = await messaging.workLane('templates.sync', async () => {
    handled += 1
    return 'ack'
  })
  messaging.ring('templates.sync', 'i1')
  await eventually(() => handled).toBe(1)
  await eventually(telemetry.metricsText).toContain('lockstep_lane_open_pulls{lane="templates.sync"} 0\n')
  await eventually(telemetry.metricsText).toContain('lockstep_lane_active_keys{lane="templates.sync"} 0\n')
})

test('disposing lets a running job finish and keeps its answer', async () => {
  const started = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const worker = await messaging.workLane('campaigns.run', async () => {
    started.resolve()
    await release.promise
    return 'ack'
  })
  await ring('s1')
  await started.promise
  const disposed = worker[Symbol.asyncDispose]()
  await ring('s1') // rung while it drains: not begun here
  release.resolve()
  await disposed
  await eventually(() => unanswered('s1')).toBe(1)
})

test('a job that outlives the drain loses its lease, and another worker gets the message', async () => {
  const leaving = Promise.withResolvers<string>()
  const worker = await messaging.workLane(
    'campaigns.run',
    async (_key, lease) => {
      await new Promise((resolve) => lease.signal.addEventListener('abort', resolve))
      leaving.resolve(lease.signal.reason.message)
      return 'ack'
    },
    { drainMs: 50 },
  )
  await ring('t1')
  await eventually(() => unanswered('t1')).toBe(1)
  await worker[Symbol.asyncDispose]()
  expect(await leaving.promise).toContain('shutting down')
  expect(await unanswered('t1')).toBe(1)

  const taken: string[] = []
  await using _worker = await messaging.workLane('campaigns.run', async (key) => {
    if (key === 't1') taken.push(key)
    return 'ack'
  })
  await ring('t1')
  await eventually(() => taken).toEqual(['t1', 't1'])
})

test('an event reaches who listens, and nobody else', async () => {
  const seen: unknown[] = []
  using _all = messaging.subscribeEvent(events.campaignChanged, (payload) => seen.push(payload))
  messaging.publishEvent(events.appsChanged, { id: '1' })
  messaging.publishEvent(events.campaignChanged, { id: '2' })
  await eventually(() => seen).toEqual([{ id: '2' }])
})
