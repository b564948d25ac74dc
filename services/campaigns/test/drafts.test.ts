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

test('of a start and a delete at once one happens, and the other says so', async () => {
  const waiting =
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename = 'campaigns' and datname = current_database()"
  const id = await draftId()
  const both = await withClient(system.world.adminUrl, async (client) => {
    await client.query('begin')
    await client.query('select 1 from campaigns.campaigns where id = $1 for update', [id])
    const orders = [campaigns.startCampaign({ id }, tenant), campaigns.deleteDraft({ id }, tenant)]
    const ends = Promise.allSettled(orders)
    await until(async () => (await system.world.sql(waiting)).length >= 2)
    await client.query('rollback')
    return ends
  })
  const [start, deletion] = both.map(({ status }) => status)
  expect([start, deletion].toSorted()).toEqual(['fulfilled', 'rejected'])
  expect(await rowsOf(id)).toHaveLength(start === 'fulfilled' ? 2 : 0)
})
