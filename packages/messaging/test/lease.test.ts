import { consumerName, partitionSubject } from '@lockstep/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Messaging } from '../src/index.ts'
import {
  eventually,
  messagingOn,
  type OwnNats,
  openManager,
  ownNats,
  spawnWorker,
  workOn,
} from './servers.ts'

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

/** Two messages wait; a stalled worker has the first, and a second worker has been given it again and is at it. */
async function takeOver(
  key: number,
  job: 'block' | 'untilLost',
  onStarted: (stalled: { kill(signal: NodeJS.Signals): unknown }) => void,
) {
  await using stack = new AsyncDisposableStack()
  const stalled = stack.use(await spawnWorker({ url: nats.url, lane: 'campaigns.run', job }))
  for (let i = 0; i < 2; i++) {
    await manager.jsm.jetstream().publish(partitionSubject('campaigns.run', key))
  }
  messaging.wakePartition('campaigns.run', key) // refused: two wait; it wakes the worker
  await eventually(() => stalled.count('started')).toBe(1)
  onStarted(stalled.child)
  const release = Promise.withResolvers<void>()
  let taken = 0
  stack.use(
    await workOn(messaging, 'campaigns.run', async () => {
      taken += 1
      await release.promise
    }),
  )
  messaging.wakePartition('campaigns.run', key) // the wake-up for the second worker
  await eventually(() => taken).toBe(1)
  const open = stack.move()
  return { stalled, release, taken: () => taken, [Symbol.asyncDispose]: () => open.disposeAsync() }
}

const state = async (key: number) => {
  const info = await manager.jsm.consumers.info('CAMPAIGNS', consumerName('campaigns.run', key))
  return {
    acked: info.ack_floor.stream_seq,
    outstanding: info.num_ack_pending,
    waiting: info.num_pending,
  }
}

test('a job that blocked the event loop past ack_wait sends no ack: the next message stays where it is', async () => {
  await using lane = await takeOver(1, 'block', () => undefined)
  const before = await state(1)
  await eventually(() => lane.stalled.count('finished')).toBe(1)
  expect(await state(1)).toEqual(before)
  expect(before).toMatchObject({ outstanding: 1, waiting: 1 })
  expect([lane.taken(), lane.stalled.count('started')]).toEqual([1, 1])
  lane.release.resolve()
  await eventually(() => state(1)).toMatchObject({ outstanding: 0, waiting: 0 })
})

test('a process that was stopped and continues sends nothing either, and its job sees the lease lost', async () => {
  await using lane = await takeOver(2, 'untilLost', (stalled) => stalled.kill('SIGSTOP'))
  const before = await state(2)
  lane.stalled.child.kill('SIGCONT')
  await eventually(() => lane.stalled.count('finished')).toBe(1)
  expect(await state(2)).toEqual(before)
  expect([lane.taken(), lane.stalled.count('started')]).toEqual([1, 1])
  lane.stalled.child.kill('SIGKILL') // it would rightly take the next message, and keep it
  lane.release.resolve()
  await eventually(() => state(2)).toMatchObject({ outstanding: 0, waiting: 0 })
})

test('a message that lay in the socket of a stopped process is neither begun nor answered there once another worker has it', async () => {
  await using stopped = await spawnWorker({ url: nats.url, lane: 'campaigns.run', job: 'nothing' })
  messaging.wakePartition('campaigns.run', 3)
  await eventually(() => stopped.count('finished')).toBe(1)
  await eventually(() => state(3)).toMatchObject({ outstanding: 0, waiting: 0 })
  stopped.child.kill('SIGSTOP')
  messaging.wakePartition('campaigns.run', 3)
  await eventually(() => state(3)).toMatchObject({ outstanding: 1 }) // delivered to the stopped process
  const release = Promise.withResolvers<void>()
  const taken: number[] = []
  await using _worker = await workOn(messaging, 'campaigns.run', async (partition) => {
    taken.push(partition)
    await release.promise
  })
  messaging.wakePartition('campaigns.run', 3)
  await eventually(() => taken).toEqual([3])
  const before = await state(3)
  stopped.child.kill('SIGCONT')
  await using other = await messagingOn(nats.url)
  await other.flush() // the server has come round to all its connections
  await eventually(() => state(3)).toEqual(before)
  expect(await state(3)).toEqual(before)
  expect([stopped.count('started'), taken]).toEqual([1, [3]])
  release.resolve()
  await eventually(() => state(3)).toMatchObject({ outstanding: 0, waiting: 0 })
})

test('a job much longer than ack_wait keeps its lease as long as its process lives', async () => {
  let runs = 0
  let heldToTheEnd: boolean | undefined
  await using _worker = await workOn(messaging, 'campaigns.run', async (_partition, lease) => {
    runs += 1
    const until = performance.now() + 3_000 // twice ack_wait: the time itself is what is tested
    await eventually(() => performance.now() > until).toBe(true)
    heldToTheEnd = lease.isHeld()
  })
  messaging.wakePartition('campaigns.run', 5)
  await eventually(() => heldToTheEnd).toBe(true)
  await eventually(() => state(5)).toMatchObject({ outstanding: 0, waiting: 0 })
  expect(runs).toBe(1)
})
