import { audit } from '@lockstep/audit'
import { sendLimits } from '@lockstep/contracts'
import { openRedis, untilReady } from '@lockstep/locks'
import { type FaultKind, startSimulator } from '@lockstep/meta-simulator'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { classifyGraphError, graphErrors } from '@lockstep/whatsapp'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { assertClean } from './faults/run.ts'

/** Each way in which a call to Meta can end (`SendOutcome` in packages/whatsapp), seen in rows, statistics and words. */
const people = 3
const stack = new AsyncDisposableStack()
let system: TestSystem
let tenant: Tenant
let slow: Tenant

beforeAll(async () => {
  system = stack.use(await startSystem())
  tenant = await system.addTenant()
  slow = await system.addTenant({ perMinute: 300, perSecond: 5 })
})
afterAll(() => stack.disposeAsync())
afterEach(() =>
  system.simulator.client.setSettings({
    failed: {},
    webhooks: { paused: false },
    errors: { next: [] },
    faults: { next: [] },
  }),
)

let used = 0
/** A campaign to people who were never written to: the pair limit lets each be written to once in six seconds. */
async function campaignTo(count: number, of = tenant): Promise<string> {
  const tag = `people-${used}`
  await system.importContacts(of, phones(count, used), tag)
  used += count
  return (await system.startCampaign(of, tag)).id
}

const answer = (code: number) =>
  system.simulator.client.setSettings({ errors: { next: [{ code, count: 1 }] } })
const spoil = (kind: FaultKind) =>
  system.simulator.client.setSettings({ faults: { next: [{ kind, count: 1 }] } })
const recipients = async (campaignId: string, of = tenant) =>
  (await system.clients.campaigns.listRecipients({ campaignId, limit: 1_000 }, of)).recipients
const accepted = async (id: string) =>
  (await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).length
const codesOf = (kind: string) =>
  Object.entries(graphErrors)
    .filter(([, row]) => row.class === kind)
    .map(([code]) => Number(code))

test('accepted: the recipient is accepted, and stays so without any status', async () => {
  await system.simulator.client.setSettings({ webhooks: { paused: true } })
  const id = await campaignTo(people)
  expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    recipients: people,
    accepted: people,
    sent: 0,
  })
  for (const { state, wamid, reason } of await recipients(id))
    expect([state, wamid.slice(0, 6), reason]).toEqual(['accepted', 'wamid.', ''])
})

describe.each(codesOf('stop'))('stop code %i', (code) => {
  const { message } = classifyGraphError(code)

  test('as an answer: the recipient is back in the queue, the campaign pauses with the words, and goes on when it is resumed', async () => {
    await answer(code)
    const id = await campaignTo(people)
    expect((await system.untilCampaign(tenant, id, 'paused')).reason).toBe(message)
    await until(async () => (await system.campaign(tenant, id)).statistics!.sending === 0)
    const stopped = (await recipients(id)).filter(
      ({ state, reason }) => state === 'queued' && reason === message,
    )
    expect(stopped).toHaveLength(1)
    expect((await system.campaign(tenant, id)).statistics).toMatchObject({
      rejected: 0,
      failed: 0,
      unknown: 0,
    })
    await system.clients.campaigns.resumeCampaign({ id }, tenant)
    expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
      accepted: people,
      queued: 0,
    })
    expect(await accepted(id)).toBe(people)
  })

  test('in a status: the message failed with the words, and the campaign pauses', async () => {
    await system.simulator.client.setSettings({ failed: { [code]: 1 } })
    const id = await campaignTo(60, slow)
    expect((await system.untilCampaign(slow, id, 'paused')).reason).toBe(message)
    await system.settled()
    const failed = (await recipients(id, slow)).filter(({ state }) => state === 'failed')
    expect(failed.length).toBeGreaterThan(0)
    for (const { reason } of failed) expect(reason).toContain(message)
    const { statistics } = await system.campaign(slow, id)
    expect(statistics).toMatchObject({ failed: failed.length, rejected: 0, recipients: 60 })
    expect(statistics!.queued).toBeGreaterThan(0)
    await system.clients.campaigns.cancelCampaign({ id }, slow)
  })
})

describe.each(codesOf('throttle'))('throttle code %i', (code) => {
  const { message, retryAfterMs } = classifyGraphError(code)

  test('nothing was sent: the recipient waits in the queue with the words, and is written to once', async () => {
    const own = await system.addTenant() // Meta's throttle slows the whole connection down
    await answer(code)
    const id = await campaignTo(1, own)
    const waiting = await until(async () =>
      (await recipients(id, own)).find(
        ({ state, reason }) => state === 'queued' && reason === message,
      ),
    )
    expect(waiting.attempts).toBe(1)
    expect((await system.campaign(own, id)).statistics).toMatchObject({
      queued: 1,
      rejected: 0,
      unknown: 0,
    })
    const [row] = await system.world.sql<{ ms: number }>(
      `select extract(epoch from r.not_before - a.claimed_at)::float8 * 1000 as ms
       from campaigns.recipients r join campaigns.attempts a on a.id = r.attempt_id where r.id = $1`,
      [waiting.id],
    )
    // A service knows PostgreSQL's clock, which dates the claim, to within a round trip.
    if (retryAfterMs) expect(row!.ms).toBeGreaterThan(retryAfterMs - 100)
    await passTime(own, id)
    expect((await system.untilCampaign(own, id, 'completed')).statistics).toMatchObject({
      accepted: 1,
      queued: 0,
    })
    expect(await accepted(id)).toBe(1)
  })
})

/** As if the wait of a throttled recipient and of its connection were over. */
async function passTime(of: Tenant, campaignId: string): Promise<void> {
  const redis = openRedis(system.world.redis.url)
  await untilReady(redis, 5_000)
  await redis.del(sendLimits.backoff.key(of.connectionId))
  redis.disconnect()
  await system.world.sql(
    'update campaigns.recipients set not_before = now() where campaign_id = $1 and not_before is not null',
    [campaignId],
  )
  await system.world.sql('update campaigns.feed_open set not_before = now() where key = $1', [
    campaignId,
  ])
}

describe.each(codesOf('unknown'))('code %i', (code) => {
  test('cannot be known: unknown with the words, never sent again by itself', async () => {
    await answer(code)
    const id = await campaignTo(people)
    expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
      accepted: people - 1,
      unknown: 1,
    })
    await system.settled()
    const [unknown] = (await recipients(id)).filter(({ state }) => state === 'unknown')
    expect(unknown).toMatchObject({
      attempts: 1,
      reason: expect.stringContaining('Its status webhook will tell'),
    })
    expect(await accepted(id)).toBe(people - 1)
  })
})

describe.each(['hang', 'reset', 'bad-gateway', 'unknown-error', 'unreadable'] as const)(
  'accepted, but the answer is spoiled: %s',
  (kind) => {
    test('unknown until its status webhook comes, which resolves it; nothing is sent twice', async () => {
      await system.simulator.client.setSettings({ webhooks: { paused: true } })
      await spoil(kind)
      const id = await campaignTo(people)
      expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
        accepted: people - 1,
        unknown: 1,
      })
      const [unknown] = (await recipients(id)).filter(({ state }) => state === 'unknown')
      expect(unknown!.reason).not.toBe('')
      await system.simulator.client.setSettings({ webhooks: { paused: false } })
      await system.settled()
      expect((await system.campaign(tenant, id)).statistics).toMatchObject({
        accepted: people,
        unknown: 0,
      })
      expect(await accepted(id)).toBe(people)
    })
  },
)

describe.each(codesOf('rejected'))('code %i', (code) => {
  test('refused: rejected with the words, not sent again', async () => {
    await answer(code)
    const id = await campaignTo(1)
    expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
      accepted: 0,
      rejected: 1,
      unknown: 0,
    })
    const [recipient] = await recipients(id)
    expect(recipient).toMatchObject({
      state: 'rejected',
      attempts: 1,
      reason: expect.stringContaining(classifyGraphError(code).message),
    })
    expect(await accepted(id)).toBe(0)
  })
})

test('in the end no invariant is violated', async () => {
  await system.settled()
  assertClean(await audit({ ...system.audited, settled: true }))
})

test('Meta can not be reached: nobody is claimed, the campaign says so, and the recipient is written to once Meta is there', async () => {
  await using own = await startSystem()
  const { clients, simulator, simulatorLog } = own
  const its = await own.addTenant()
  await own.importContacts(its, phones(1))
  await simulator[Symbol.asyncDispose]()
  const { id } = await own.startCampaign(its)
  await until(async () => /can't be reached/.test((await own.campaign(its, id)).reason))
  const { recipients } = await clients.campaigns.listRecipients({ campaignId: id, limit: 1 }, its)
  expect(recipients).toMatchObject([{ state: 'queued', attempts: 0 }])
  await using meta = await startSimulator({
    port: Number(new URL(simulator.url).port),
    logFile: simulatorLog,
    seed: 1,
  })
  expect((await own.untilCampaign(its, id, 'completed')).statistics).toMatchObject({
    accepted: 1,
    unknown: 0,
  })
  expect(await meta.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).toHaveLength(1)
})
