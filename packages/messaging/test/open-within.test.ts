import { events } from '@lockstep/contracts'
import { expect, test } from 'vitest'
import { openMessagingWithin } from '../src/index.ts'
import { collectLog, eventually, messagingOn, ownNats, scale, workOn } from './servers.ts'

test('a start does not wait for a NATS that is away; lanes and subscriptions begun before it is there work once it is', async () => {
  await using nats = await ownNats()
  await nats.kill()
  const { log } = collectLog()
  await using early = await openMessagingWithin({ url: nats.url, name: 'early', scale, log }, 100)
  expect(early.isConnected()).toBe(false)
  const heard: string[] = []
  await using _lane = await workOn(early, 'campaigns.run', async (partition) =>
    heard.push(`partition ${partition}`),
  )
  using _events = early.subscribeEvent(events.campaignChanged, () => heard.push('changed'))
  using _back = early.onReconnect(() => heard.push('connected'))
  early.wake('campaigns.run', 'lost')
  early.publishEvent(events.campaignChanged)

  await nats.start()
  await eventually(() => early.isConnected()).toBe(true)
  await using other = await messagingOn(nats.url)
  await eventually(() => {
    other.wakePartition('campaigns.run', 7)
    other.publishEvent(events.campaignChanged)
    return new Set(heard)
  }).toEqual(new Set(['connected', 'partition 7', 'changed']))
})

test('what waits for a NATS that never comes can be stopped', async () => {
  await using nats = await ownNats()
  await nats.kill()
  const { log, said } = collectLog()
  const early = await openMessagingWithin({ url: nats.url, name: 'early', scale, log }, 50)
  const lane = await workOn(early, 'campaigns.run', async () => undefined)
  await lane[Symbol.asyncDispose]()
  await early.flush()
  await early[Symbol.asyncDispose]()
  expect(said('NATS can not be used')).toBe(0)
})
