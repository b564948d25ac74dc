import { withClient } from '@lockstep/database'
import { until } from '@lockstep/testing'
import { startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** Campaigns before their start: listed in pages, and deleted. */
let system: TestSystem
let campaigns: TestSystem['clients']['campaigns']
let tenant: Tenant
let other: Tenant

beforeAll(async () => {
  system = await startSystem()
  campaigns = system.clients.campaigns
  tenant = await system.addTenant()
  other = await system.addTenant()
})
afterAll(() => system[Symbol.asyncDispose]())

const draftId = async (of = tenant) => (await system.createCampaign(of)).id
const rowsOf = (id: string) =>
  system.world.sql(
    `select id from campaigns.campaigns where id = $1
     union all select campaign_id from campaigns.campaign_statistics where campaign_id = $1`,
    [id],
  )

/** Gives orders that wait for the campaign's row, and come to it in their order. */
function inTurn(id: string, orders: (() => Promise<unknown>)[]) {
  const waiting =
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename = 'campaigns' and datname = current_database()"
  return withClient(system.world.adminUrl, async (client) => {
    await client.query('begin')
    await client.query('select 1 from campaigns.campaigns where id = $1 for update', [id])
    const given: Promise<unknown>[] = []
    for (const order of orders) {
      given.push(order())
      await until(async () => (await system.world.sql(waiting)).length >= given.length)
    }
    await client.query('rollback')
    return Promise.allSettled(given)
  })
}

test('pages list every campaign of the account once, newest first, or those of one state', async () => {
  const ids = []
  for (let n = 0; n < 5; n++) ids.unshift(await draftId(other))
  const listed: string[] = []
  for (let before = ''; ; before = listed.at(-1)!) {
    const page = await campaigns.listCampaigns({ before, limit: 2, state: 'draft' }, other)
    if (page.campaigns.length === 0) break
    listed.push(...page.campaigns.map(({ id }) => id))
  }
  expect(listed).toEqual(ids)
  const ofState = async (state: string) =>
    (await campaigns.listCampaigns({ state }, other)).campaigns.length
  expect([await ofState(''), await ofState('completed')]).toEqual([5, 0])
  await expect(ofState('lost')).rejects.toMatchObject({ failure: 'invalid' })
})

test('of a draft changes what is named, and is checked as a whole; nobody else changes it, and no campaign that was started', async () => {
  const { id, ...before } = await system.createCampaign(tenant)
  const change = (request: object, of = tenant) => campaigns.updateDraft({ id, ...request }, of)
  expect(await change({ name: 'Summer' })).toEqual({ ...before, id, name: 'Summer' })
  const filter = { tags: ['friends', 'family'] }
  expect(await change({ filter })).toMatchObject({ name: 'Summer', filter, values: before.values })
  const byVariable = { ...before.values, 'body.1': '30 %' }
  expect((await change({ values: { byVariable } })).values).toEqual(byVariable)
  const template = { templateName: 'opening_hours', templateLanguage: 'en_US' }
  await expect(change(template)).rejects.toThrow(/has no variable/)
  expect(await change({ ...template, values: { byVariable: {} } })).toMatchObject({ values: {} })

  const wrong = [
    { name: ' ' },
    { filter: { tags: [] } },
    { templateName: 'opening_hours' },
    { values: { byVariable: { 'body.1': 'x' } } },
    { connectionId: 'x' },
  ]
  for (const request of wrong)
    await expect(change(request), JSON.stringify(request)).rejects.toThrow()
  await expect(change({ name: 'Theirs' }, other)).rejects.toMatchObject({ failure: 'not_found' })
  await expect(change({ connectionId: other.connectionId })).rejects.toMatchObject({
    failure: 'not_found',
  })
  expect((await system.campaign(tenant, id)).name).toBe('Summer')
  await campaigns.startCampaign({ id }, tenant)
  await expect(change({ name: 'Late' })).rejects.toThrow(/only a draft can be changed/)
})

test('a number of another WABA needs another template', async () => {
  const { id } = await system.createCampaign(tenant)
  const { accounts } = system.clients
  const { metaAppId } = await accounts.getApp({ id: tenant.appId }, tenant)
  const number = { phoneNumberId: '7000001', wabaId: '7000002', accessToken: 'further' }
  await system.simulator.client.setState({
    wabas: [{ id: number.wabaId, name: 'Further', appIds: [metaAppId] }],
    numbers: [
      {
        ...{ id: number.phoneNumberId, wabaId: number.wabaId, token: number.accessToken },
        ...{ displayPhoneNumber: '+1 555 7', verifiedName: 'Further' },
      },
    ],
  })
  const asked = { ...number, name: 'Further', appId: tenant.appId }
  const { id: connectionId } = await accounts.createConnection(asked, tenant)
  await expect(campaigns.updateDraft({ id, connectionId }, tenant)).rejects.toThrow(
    /not of the WABA of this number/,
  )
})

test('what was checked before a change is not started after it', async () => {
  const { id, values } = await system.createCampaign(tenant)
  const byVariable = { ...values, 'body.1': 'x' }
  const [change, start] = await inTurn(id, [
    () => campaigns.updateDraft({ id, values: { byVariable } }, tenant),
    () => campaigns.startCampaign({ id }, tenant),
  ])
  expect(change).toMatchObject({ status: 'fulfilled' })
  expect(start).toMatchObject({
    reason: { message: expect.stringContaining('was changed meanwhile') },
  })
})

test('of two changes at once the second says so', async () => {
  const { id } = await system.createCampaign(tenant)
  const use = (templateLanguage: string) => () =>
    campaigns.updateDraft({ id, templateName: 'spring_offer', templateLanguage }, tenant)
  const [first, second] = await inTurn(id, [use('de'), use('de')])
  expect(first).toMatchObject({ status: 'fulfilled' })
  expect(second).toMatchObject({ reason: { failure: 'conflict' } })
})

test('a draft that is deleted is gone with its statistics; nobody else deletes it, and no campaign that was started', async () => {
  const id = await draftId()
  const none = { failure: 'not_found' }
  await expect(campaigns.deleteDraft({ id }, other)).rejects.toMatchObject(none)
  expect(await rowsOf(id)).toHaveLength(2)
  expect(await campaigns.deleteDraft({ id }, tenant)).toMatchObject({ id, state: 'draft' })
  expect(await rowsOf(id)).toEqual([])
  await expect(campaigns.deleteDraft({ id }, tenant)).rejects.toMatchObject(none)
  const started = await system.startCampaign(tenant)
  await expect(campaigns.deleteDraft({ id: started.id }, tenant)).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringContaining('only a draft can be deleted'),
  })
})

test.each([
  ['start', 'delete'],
  ['delete', 'start'],
] as const)(
  'of a %s and a %s at once the first happens, and the other says so',
  async (...order) => {
    const id = await draftId()
    const orders = {
      start: () => campaigns.startCampaign({ id }, tenant),
      delete: () => campaigns.deleteDraft({ id }, tenant),
    }
    const ends = await inTurn(
      id,
      order.map((name) => orders[name]),
    )
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(await rowsOf(id)).toHaveLength(order[0] === 'start' ? 2 : 0)
  },
)
