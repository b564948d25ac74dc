import { consumerName, streams } from '@lockstep/contracts'
import { startTelemetry } from '@lockstep/telemetry'
import { type JetStreamManager, RetentionPolicy } from '@nats-io/jetstream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  collectLog,
  eventually,
  messagingOn,
  type OwnNats,
  openManager,
  ownNats,
  workOn,
} from './servers.ts'

let nats: OwnNats
beforeAll(async () => {
  nats = await ownNats()
})
afterAll(() => nats[Symbol.asyncDispose]())

/** A producer and a worker that counts what it was given by partition. */
async function openLane() {
  await using stack = new AsyncDisposableStack()
  const messaging = stack.use(await messagingOn(nats.url))
  const done = new Map<number, number>()
  stack.use(
    await workOn(messaging, 'contacts.import', async (partition) => {
      done.set(partition, (done.get(partition) ?? 0) + 1)
    }),
  )
  const open = stack.move()
  return {
    messaging,
    done: (partition: number) => done.get(partition) ?? 0,
    wake: (partition: number) => messaging.wakePartition('contacts.import', partition),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

/**
 * nats-server 2.9 answers with an error when it was writing the consumer's state just then, and has deleted it all the same; its
 * worker may have made it anew by now.
 */
async function deleteConsumer(jsm: JetStreamManager, partition: number): Promise<void> {
  const name = consumerName('contacts.import', partition)
  const { created } = await jsm.consumers.info('DEFAULT', name)
  await jsm.consumers.delete('DEFAULT', name).catch(async () => {
    const now = await jsm.consumers.info('DEFAULT', name).catch(() => undefined)
    expect(now?.created).not.toBe(created)
  })
}

test('a service that starts before the server waits, says so once, and then works', async () => {
  await nats.kill()
  const { log, said } = collectLog()
  const opening = messagingOn(nats.url, { log })
  await eventually(() => said('waiting for NATS')).toBe(1)
  await nats.start()
  await using messaging = await opening
  messaging.wakePartition('contacts.import', 1)
  await messaging.flush()
  await using manager = await openManager(nats.url)
  expect((await manager.jsm.streams.info('DEFAULT')).state.messages).toBe(1)
  expect(said('waiting for NATS')).toBe(1)
})

test('waiting for the server ends when it is aborted', async () => {
  await expect(
    messagingOn('nats://127.0.0.1:9', { signal: AbortSignal.timeout(50) }),
  ).rejects.toThrow(/abort/i)
})

test('after the server was killed and restarted, work goes on, also for a wake-up while it was away', async () => {
  await using lane = await openLane()
  lane.wake(2)
  await eventually(() => lane.done(2)).toBe(1)
  await nats.kill()
  await eventually(() => lane.messaging.isConnected()).toBe(false)
  lane.wake(2)
  lane.wake(3)
  await nats.start()
  await eventually(() => lane.done(2)).toBeGreaterThanOrEqual(2) // more: a killed server forgets acks
  await eventually(() => lane.done(3)).toBeGreaterThanOrEqual(1)
})

test('a wake-up that a killed worker has left is answered by the next one, though nobody wakes it again', async () => {
  await using manager = await openManager(nats.url)
  {
    await using lane = await openLane()
    lane.wake(4)
    await eventually(() => lane.done(4)).toBe(1)
  }
  await manager.jsm.jetstream().publish('default.contacts.import.4') // without the wake-up, as a worker that is gone has it
  await using lane = await openLane()
  await eventually(() => lane.done(4)).toBe(1)
  await eventually(
    async () =>
      (await manager.jsm.consumers.info('DEFAULT', consumerName('contacts.import', 4))).num_pending,
  ).toBe(0)
})

test('after the whole store was deleted, streams and consumers come back by themselves', async () => {
  await using lane = await openLane()
  lane.wake(5)
  await eventually(() => lane.done(5)).toBe(1)
  await nats.kill()
  await nats.deleteStore()
  const back = Promise.withResolvers<void>()
  using _hook = lane.messaging.onReconnect(back.resolve)
  await nats.start()
  await back.promise
  await using manager = await openManager(nats.url)
  const names = await manager.jsm.streams.names().next()
  expect(names.sort()).toEqual(Object.keys(streams).sort())
  lane.wake(5)
  await eventually(() => lane.done(5)).toBe(2)
})

test('a wake-up for a stream that somebody deleted makes it again', async () => {
  await using lane = await openLane()
  await using manager = await openManager(nats.url)
  await manager.jsm.streams.delete('DEFAULT')
  lane.wake(6)
  await eventually(() => lane.done(6)).toBe(1)
})

test('a wake-up that is refused because somebody limited the stream and it is full gives the stream its room back', async () => {
  await using lane = await openLane()
  await using manager = await openManager(nats.url)
  await manager.jsm.streams.update('DEFAULT', { max_msgs: 1 })
  const filler = () => manager.jsm.jetstream().publish('default.nobody')
  await filler()
  await expect(filler()).rejects.toThrow('maximum messages exceeded')
  lane.wake(7)
  await eventually(() => lane.done(7)).toBe(1)
})

test('a consumer that is deleted while a pull is open on it comes back', async () => {
  await using lane = await openLane()
  await using manager = await openManager(nats.url)
  lane.wake(8)
  await eventually(() => lane.done(8)).toBe(1)
  await deleteConsumer(manager.jsm, 8)
  lane.wake(8)
  await eventually(() => lane.done(8)).toBe(2)
})

test('a lane beyond max_consumers waits, is counted, and opens when there is room', async () => {
  await using telemetry = startTelemetry({ service: 'test' })
  await using lane = await openLane()
  await using manager = await openManager(nats.url)
  await manager.jsm.streams.delete('DEFAULT')
  const { subjects } = streams.DEFAULT
  await manager.jsm.streams.add({
    name: 'DEFAULT',
    subjects,
    retention: RetentionPolicy.Workqueue,
    max_consumers: 1,
  })
  lane.wake(9)
  await eventually(() => lane.done(9)).toBe(1)
  lane.wake(10)
  await eventually(telemetry.metricsText).toMatch(
    /lockstep_lane_open_failures_total\{lane="contacts.import",reason="full"\} \d/,
  )
  expect(lane.done(10)).toBe(0)
  await eventually(telemetry.metricsText).toContain(
    'lockstep_lane_active_partitions{lane="contacts.import"} 1\n',
  ) // 10 alone
  await deleteConsumer(manager.jsm, 9)
  await eventually(() => lane.done(10)).toBe(1)
  await manager.jsm.streams.delete('DEFAULT') // the next service makes it from the table
})

test('streams that differ from the table in what cannot be changed are refused with their name', async () => {
  await using manager = await openManager(nats.url)
  await manager.jsm.streams.delete('DEFAULT').catch(() => undefined)
  await manager.jsm.streams.add({
    name: 'DEFAULT',
    subjects: streams.DEFAULT.subjects,
    retention: RetentionPolicy.Interest,
  })
  await expect(messagingOn(nats.url)).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringContaining('DEFAULT'),
  })
})
