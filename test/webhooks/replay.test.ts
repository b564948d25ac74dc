import { messageWebhook, postWebhook, until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

let stack: TestSystem
beforeAll(async () => {
  stack = await startSystem()
}, 60_000)
afterAll(() => stack?.[Symbol.asyncDispose]())

/** Delivers a message to a number by a tenant's app; answers its wamid. */
async function deliver(tenant: Tenant, phoneNumberId: string): Promise<string> {
  const { wamid, body } = messageWebhook({ phoneNumberId, wabaId: tenant.wabaId })
  expect(await postWebhook(stack.webhookUrl(tenant), tenant.appSecret, body)).toBe(200)
  return wamid
}

const accountsOf = async (wamid: string) =>
  (
    await stack.world.sql<{ id: string }>(
      'select account_id as id from conversations.messages where wamid = $1',
      [wamid],
    )
  ).map(({ id }) => id)
const outcomes = async (key: string) =>
  (
    await stack.world.sql<{ outcome: string }>(
      'select outcome from webhook_gateway.webhook_parts where key = $1 order by id',
      [key],
    )
  ).map(({ outcome }) => outcome)

test('what came before its number was connected reaches the account that adopts it, and nobody else', async () => {
  const [tenant, stranger] = [await stack.addTenant(), await stack.addTenant()]
  const phoneNumberId = '770077007'
  const ours = await deliver(tenant, phoneNumberId)
  const theirs = await deliver(stranger, phoneNumberId)
  await until(async () => (await outcomes(phoneNumberId)).join() === 'no_connection,no_connection')

  const number = {
    id: phoneNumberId,
    wabaId: tenant.wabaId,
    token: 'token',
    displayPhoneNumber: '+1 555 7700',
    verifiedName: 'Late',
  }
  await stack.simulator.client.setState({ numbers: [{ ...number, throughputLevel: 'HIGH' }] })
  const wanted = {
    name: 'Late',
    phoneNumberId,
    wabaId: tenant.wabaId,
    appId: tenant.appId,
    accessToken: 'token',
  }
  const { id: connectionId } = await stack.clients.accounts.createConnection(wanted, tenant)
  await expect(
    stack.clients.webhookGateway.adoptParts({ connectionId }, stranger),
  ).rejects.toMatchObject({ failure: 'not_found' })
  // Connecting adopts it by itself, a moment before or after.
  expect(
    (await stack.clients.webhookGateway.adoptParts({ connectionId }, tenant)).adopted,
  ).toBeLessThanOrEqual(1)
  await until(async () => (await accountsOf(ours)).length > 0)
  await stack.settled()
  expect(await accountsOf(ours)).toEqual([tenant.accountId])
  expect(await accountsOf(theirs)).toEqual([])
  expect((await outcomes(phoneNumberId)).toSorted()).toEqual(['done', 'no_connection'])
  expect(await stack.clients.webhookGateway.adoptParts({ connectionId }, tenant)).toEqual({
    adopted: 0,
  })
})

test('a replay of everything changes nothing, and makes an effect again that was lost', async () => {
  const tenant = await stack.addTenant()
  const wamid = await deliver(tenant, tenant.phoneNumberId)
  await stack.importContacts(tenant, phones(20))
  const { id } = await stack.startCampaign(tenant)
  await stack.untilCampaign(tenant, id, 'completed')
  await until(async () => (await accountsOf(wamid)).length === 1)
  await stack.settled()
  const state = async () => ({
    statistics: (await stack.campaign(tenant, id)).statistics,
    attempts: await stack.world.sql(
      'select * from campaigns.attempts where account_id = $1 order by id',
      [tenant.accountId],
    ),
    messages: await stack.world.sql(
      'select wamid, payload, text, at from conversations.messages where account_id = $1',
      [tenant.accountId],
    ),
  })
  const before = await state()
  expect(before.statistics!.read).toBeGreaterThan(0)
  await stack.world.sql('delete from conversations.messages where wamid = $1', [wamid])
  await replayAll()
  await stack.settled()
  expect(await state()).toEqual(before)
}, 60_000)

async function replayAll(): Promise<void> {
  for (let beforePartId = ''; ; ) {
    const answer = await stack.clients.webhookGateway.replayWebhooks(
      { sinceMs: 1, beforePartId },
      {},
    )
    if (answer.bodies === 0) return
    beforePartId = answer.beforePartId
  }
}
