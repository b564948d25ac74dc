import { randomBytes } from 'node:crypto'
import { audit } from '@lockstep/audit'
import { messageWebhook, postWebhook, until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { assertClean } from './faults/run.ts'

/** A number keeps its identity when its token is replaced, and when it is disconnected and connected again. */
const stack = new AsyncDisposableStack()
let system: TestSystem

beforeAll(async () => {
  system = stack.use(await startSystem())
})
afterAll(() => stack.disposeAsync())

let used = 5_000
function freshPhones(count: number): string[] {
  used += count
  return phones(count, used - count)
}

/** A campaign that has begun to send and has most of its people before it. */
async function underWay(): Promise<{ tenant: Tenant; id: string }> {
  const tenant = await system.addTenant({ perMinute: 1_200, perSecond: 20 })
  await system.importContacts(tenant, freshPhones(120), 'all')
  const { id } = await system.startCampaign(tenant)
  await until(async () => (await system.campaign(tenant, id)).statistics!.accepted >= 5)
  return { tenant, id }
}

/** Everybody of the campaign was written to, and nobody twice. */
async function completedOnce(tenant: Tenant, id: string): Promise<void> {
  const { statistics } = await system.untilCampaign(tenant, id, 'completed', 60_000)
  expect(statistics).toMatchObject({
    recipients: 120,
    accepted: 120,
    rejected: 0,
    failed: 0,
    unknown: 0,
  })
  const posts = await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })
  expect(posts).toHaveLength(120)
  expect(new Set(posts.map(({ recipient }) => recipient)).size).toBe(120)
}

/** Meta gives the number a token, and accepts the one before no longer. */
async function changeToken({ phoneNumberId: id, wabaId }: Tenant): Promise<string> {
  const token = randomBytes(16).toString('hex')
  await system.simulator.client.setState({
    numbers: [{ id, wabaId, token, displayPhoneNumber: `+1 555 ${id}`, throughputLevel: 'HIGH' }],
  })
  return token
}

const reconnect = ({ phoneNumberId, wabaId, appId, ...call }: Tenant, accessToken: string) =>
  system.clients.accounts.createConnection(
    { name: '', phoneNumberId, wabaId, appId, accessToken },
    call,
  )

test('a campaign that Meta stopped for its token goes on with another one, and writes to everybody once', async () => {
  const { tenant, id } = await underWay()
  const token = await changeToken(tenant)
  const paused = await system.untilCampaign(tenant, id, 'paused')
  expect(paused.reason).toMatch(/access token/)
  expect(paused.statistics).toMatchObject({ rejected: 0, failed: 0 })
  const replaced = await system.clients.accounts.replaceToken(
    { id: tenant.connectionId, accessToken: token },
    tenant,
  )
  expect(replaced).toMatchObject({ id: tenant.connectionId, perSecond: 20, health: 'ok' })
  await system.clients.campaigns.resumeCampaign({ id }, tenant)
  await completedOnce(tenant, id)
}, 90_000)

test('a campaign whose number is disconnected and connected again goes on, and writes to everybody once', async () => {
  const { tenant, id } = await underWay()
  await system.clients.accounts.disconnect({ id: tenant.connectionId }, tenant)
  expect((await system.untilCampaign(tenant, id, 'paused')).reason).toMatch(/disconnected/)
  await system.clients.campaigns.resumeCampaign({ id }, tenant)
  expect((await system.untilCampaign(tenant, id, 'paused')).reason).toMatch(/disconnected/)
  const again = await reconnect(tenant, await changeToken(tenant))
  expect(again).toMatchObject({ id: tenant.connectionId, perMinute: 1_200, perSecond: 20 })
  await system.clients.campaigns.resumeCampaign({ id }, tenant)
  await completedOnce(tenant, id)
}, 90_000)

test('a conversation goes on after its number was connected by another app, and a STOP that the app before signed meanwhile counts', async () => {
  const tenant = await system.addTenant()
  const [phone] = freshPhones(1)
  let saidAt = Math.floor(Date.now() / 1_000) - 60
  const say = async (text: string, by = tenant) => {
    const { body } = messageWebhook({
      ...tenant,
      from: phone!.slice(1),
      text,
      timestamp: ++saidAt,
    })
    expect(await postWebhook(system.webhookUrl(by), by.appSecret, body)).toBe(200)
  }
  const conversations = async () =>
    (await system.clients.conversations.listConversations({ after: '', limit: 0 }, tenant))
      .conversations
  const stopped = async () =>
    (
      await system.world.sql('select from contacts.consents where account_id = $1', [
        tenant.accountId,
      ])
    ).length > 0
  await say('Hello')
  const [first] = await until(async () => (await conversations()).length > 0 && conversations())

  await system.clients.accounts.disconnect({ id: tenant.connectionId }, tenant)
  await until(
    async () => (await partsWithoutConnection(tenant)) > 0 || void (await say('Still there?')),
  )
  await say('STOP')
  await system.settled()
  expect(await stopped()).toBe(false)

  const app = { name: 'Another', metaAppId: '7', secret: 'another secret', verifyToken: 'v' }
  const other = {
    ...tenant,
    appSecret: app.secret,
    appId: (await system.clients.accounts.createApp(app, tenant)).id,
  }
  expect((await reconnect(other, tenant.accessToken)).id).toBe(tenant.connectionId)
  await until(stopped)
  await say('And now?', other)
  await until(async () => (await conversations())[0]!.lastText === 'And now?')
  expect(await conversations()).toMatchObject([{ id: first!.id }])
}, 60_000)

async function partsWithoutConnection({ phoneNumberId }: Tenant): Promise<number> {
  const text =
    "select from webhook_gateway.webhook_parts where key = $1 and outcome = 'no_connection'"
  return (await system.world.sql(text, [phoneNumberId])).length
}

test('in the end no invariant is violated', async () => {
  await system.settled()
  assertClean(await audit({ ...system.audited, settled: true }))
})
