import { services } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** What the other services keep of somebody who is forgotten. */
const stack = new AsyncDisposableStack()
let system: TestSystem
let tenant: Tenant

beforeAll(async () => {
  const started = startSystem({ services: services.filter((name) => name !== 'api'), scale: 0.1 })
  system = stack.use(await started)
  tenant = await system.addTenant()
})
afterAll(() => stack.disposeAsync())

const firstContact = async (tag: string) =>
  (await system.clients.contacts.listContacts({ tag, limit: 1 }, tenant)).contacts[0]!

test('recipients and messages of who is forgotten are blank, and every count is as it was', async () => {
  const people = phones(5, 400)
  await system.importContacts(tenant, people, 'known')
  const { id: campaignId } = await system.startCampaign(tenant, 'known')
  await system.untilCampaign(tenant, campaignId, 'completed')
  const { phoneNumberId } = tenant
  for (const text of ['Zaunkönig one', 'Zaunkönig two'])
    await system.simulator.client.inbound({ phoneNumberId, from: people[0]!.slice(1), text })
  const contact = await until(async () => {
    await system.settled()
    const found = await firstContact('known')
    return found.lastInboundAtMs !== undefined && found
  })
  const before = await counts(campaignId)
  expect(before).toMatchObject({ recipients: 5, messages: 2, unread: 2 })
  await system.clients.contacts.forgetContact({ id: contact.id }, tenant)
  await until(async () => (await namedRows(contact.id, contact.phone)).length === 0)
  expect(await counts(campaignId)).toEqual(before)
  const { conversations } = await system.clients.conversations.listConversations({}, tenant)
  expect(conversations).toMatchObject([{ contactId: contact.id, lastText: '' }])
})

/** Rows of other services that still say who somebody is, or what they wrote. */
const namedRows = (contactId: string, phone: string) =>
  system.world.sql(
    `select 'recipient' from campaigns.recipients
     where contact_id = $1 and (phone <> '' or user_id <> '' or values <> '{}')
     union all select 'message' from conversations.messages m
     where m.text like '%Zaunkönig%' or m.payload::text like '%' || $2 || '%'
     union all select 'conversation' from conversations.conversations where last_text like '%Zaunkönig%'`,
    [contactId, phone],
  )

async function counts(campaignId: string) {
  const { statistics } = await system.campaign(tenant, campaignId)
  const [row] = await system.world.sql<object>(
    `select (select count(*)::int from campaigns.recipients where campaign_id = $1) as recipients,
            (select count(*)::int from conversations.messages where account_id = $2) as messages,
            (select sum(unread)::int from conversations.conversations where account_id = $2) as unread`,
    [campaignId, tenant.accountId],
  )
  return { statistics, ...row }
}

test('who is forgotten or archived while a campaign is paused gets no message of it', async () => {
  const slow = await system.addTenant({ perMinute: 1, perSecond: 1 })
  await system.importContacts(slow, phones(4, 500), 'paused')
  const { id } = await system.startCampaign(slow, 'paused')
  await until(async () => (await system.campaign(slow, id)).statistics!.accepted === 1)
  await system.clients.campaigns.pauseCampaign({ id }, slow)
  const queued = await system.world.sql<{ contact: string; phone: string }>(
    `select contact_id as contact, phone from campaigns.recipients
     where campaign_id = $1 and state = 'queued' order by id`,
    [id],
  )
  expect(queued).toHaveLength(3)
  await system.clients.contacts.forgetContact({ id: queued[0]!.contact }, slow)
  await system.clients.contacts.archiveContact({ id: queued[1]!.contact }, slow)
  const limits = { id: slow.connectionId, perMinute: 600, perSecond: 20 }
  await system.clients.accounts.setConnectionLimits(limits, slow)
  await system.clients.campaigns.resumeCampaign({ id }, slow)
  const { statistics } = await system.untilCampaign(slow, id, 'completed')
  expect(statistics).toMatchObject({ recipients: 4, accepted: 2, skipped: 2 })
  const posts = await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })
  const written = posts.map(({ recipient }) => recipient!.replace(/\D/g, ''))
  expect(written).toHaveLength(2)
  expect(written).toContain(queued[2]!.phone.replace(/\D/g, ''))
})

test('what was being written of somebody while they were forgotten goes, too', async () => {
  await system.importContacts(tenant, phones(1, 600), 'late')
  const { id: campaignId } = await system.startCampaign(tenant, 'late')
  await system.untilCampaign(tenant, campaignId, 'completed')
  const { id, phone } = await firstContact('late')
  await system.clients.contacts.forgetContact({ id }, tenant)
  await until(async () => (await namedRows(id, phone)).length === 0)
  await system.world.sql(
    `update campaigns.recipients set phone = $2, values = '{"body.1": "Ana"}' where contact_id = $1`,
    [id, phone],
  )
  await until(async () => (await namedRows(id, phone)).length === 0, 20_000)
})
