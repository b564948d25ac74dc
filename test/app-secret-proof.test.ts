import { createHmac } from 'node:crypto'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** An app whose owner demands its secret's proof with each call of Graph can be used for everything. */
let system: TestSystem
let tenant: Tenant

beforeAll(async () => {
  system = await startSystem()
  tenant = await system.addTenant({ perMinute: 600, perSecond: 10 })
  await atMeta(tenant.appSecret)
})
afterAll(() => system[Symbol.asyncDispose]())

/** The tenant's app demands proofs by this secret from now on. */
async function atMeta(secret: string): Promise<void> {
  const { apps, wabas } = await system.simulator.client.state()
  const id = wabas.find((waba) => waba.id === tenant.wabaId)!.appIds[0]!
  const app = apps.find((each) => each.id === id)!
  await system.simulator.client.setState({ apps: [{ ...app, secret, requireAppSecret: true }] })
}

const rotate = (secret: string) =>
  system.clients.accounts.rotateAppSecret({ id: tenant.appId, secret }, tenant)

test('templates are synced, a token is replaced and a campaign is sent with the proof', async () => {
  const { connectionId, accessToken, phoneNumberId } = tenant
  const bare = `${system.simulator.url}/v24.0/${phoneNumberId}?fields=id`
  const ask = async (proof: string) => {
    const query = proof && `&appsecret_proof=${proof}`
    const headers = { authorization: `Bearer ${accessToken}` }
    return (await fetch(bare + query, { headers })).status
  }
  const proof = createHmac('sha256', tenant.appSecret).update(accessToken).digest('hex')
  expect([await ask(''), await ask(`${proof.slice(0, -1)}x`), await ask(proof)]).toEqual([
    400, 400, 200,
  ])
  const { accounts, templates } = system.clients
  await accounts.replaceToken({ id: connectionId, accessToken }, tenant)
  const { id: syncId } = await templates.startSync({ connectionId }, tenant)
  await until(async () => (await templates.getSync({ id: syncId }, tenant)).state === 'done')
  await system.importContacts(tenant, phones(10), 'first')
  const { id } = await system.startCampaign(tenant, 'first')
  expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    recipients: 10,
    accepted: 10,
  })
})

test('a secret that was changed at Meta only pauses a campaign in words and uses nobody up; rotated here, it goes on', async () => {
  await system.importContacts(tenant, phones(60, 10), 'second')
  const { id } = await system.startCampaign(tenant, 'second')
  await until(async () => (await system.campaign(tenant, id)).statistics!.accepted > 0)
  await atMeta('another secret')
  const paused = await system.untilCampaign(tenant, id, 'paused')
  expect(paused.reason).toMatch(/app secret .* was changed at Meta.*rotate-secret/)
  await until(async () => (await system.campaign(tenant, id)).statistics!.sending === 0)
  const { statistics } = await system.campaign(tenant, id)
  expect(statistics).toMatchObject({ recipients: 60, rejected: 0, failed: 0, unknown: 0 })
  await rotate('another secret')
  await system.clients.campaigns.resumeCampaign({ id }, tenant)
  expect((await system.untilCampaign(tenant, id, 'completed', 60_000)).statistics).toMatchObject({
    accepted: 60,
    rejected: 0,
  })
}, 90_000)
