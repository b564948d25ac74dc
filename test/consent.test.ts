import { services } from '@lockstep/contracts'
import { withClient } from '@lockstep/database'
import { postWebhook, until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { createTokens } from '@lockstep/whatsapp'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** Who may be written to: by the template's category, and by what Meta says with a message. */
const stack = new AsyncDisposableStack()
let system: TestSystem
let tenant: Tenant
/** Campaigns is a process that a test may kill; its statuses come by its lane. */
let campaigns: Awaited<ReturnType<TestSystem['spawn']>>

beforeAll(async () => {
  system = stack.use(await startSystem({ services: services.filter((name) => name !== 'api') }))
  tenant = await system.addTenant()
})
afterAll(() => stack.disposeAsync())

let used = 0
async function audience(count: number): Promise<{ tag: string; ids: string[] }> {
  const tag = `people-${used}`
  await system.importContacts(tenant, phones(count, used), tag)
  used += count
  const { contacts } = await system.clients.contacts.listContacts(
    { tag, after: '', limit: 100 },
    tenant,
  )
  return { tag, ids: contacts.map(({ id }) => id) }
}

const categorize = (category: string) =>
  system.world.sql(
    "update templates.templates set category = $2 where account_id = $1 and name = 'spring_offer'",
    [tenant.accountId, category],
  )
const refusalOf = async (contactId: string, category = 'MARKETING') =>
  (await system.clients.contacts.checkSendable({ contactIds: [contactId], category }, tenant))
    .results[0]!.refusal

test.each([
  ['UTILITY', false, 3],
  ['NEWSLETTER', true, 3],
  ['', true, 3],
  ['MARKETING', true, 3],
  ['UTILITY', true, 5],
  ['AUTHENTICATION', false, 5],
])(
  'a campaign of category "%s", with utility after a stop being %s, goes to %i of five people, of whom two said stop',
  async (category, utilityAfterStop, count) => {
    const { tag, ids } = await audience(5)
    for (const contactId of ids.slice(0, 2))
      await system.clients.contacts.recordConsent(
        { contactId, kind: 'opt_out', evidence: 'said so' },
        tenant,
      )
    await system.clients.contacts.setConsentRules({ utilityAfterStop }, tenant)
    await categorize(category)
    const { id } = await system.startCampaign(tenant, tag)
    const { statistics } = await system.untilCampaign(tenant, id, 'completed')
    expect(statistics).toMatchObject({ recipients: 5, accepted: count, skipped: 5 - count })
    expect(await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).toHaveLength(
      count,
    )
    await categorize('MARKETING')
  },
)

test.each([
  [131050, 'opted_out', ''],
  [130403, 'blocked', 'blocked'],
])(
  'who was refused by error %i as an answer is refused by the check as soon as the outcome is there',
  async (code, marketing, other) => {
    const [phone] = phones(1, used)
    const { tag, ids } = await audience(1)
    await system.simulator.client.setSettings({
      errors: { next: [{ code, count: 1, recipient: phone!.slice(1) }] },
    })
    const { id } = await system.startCampaign(tenant, tag)
    await until(async () => (await system.campaign(tenant, id)).statistics!.rejected === 1)
    expect([await refusalOf(ids[0]!), await refusalOf(ids[0]!, 'AUTHENTICATION')]).toEqual([
      marketing,
      other,
    ])
  },
)

interface Sent {
  campaignId: string
  attemptId: string
  contactId: string
  wamid: string
}

/** A campaign's message to a person of their own that Meta has accepted. */
async function sentMessage(): Promise<Sent> {
  const { tag, ids } = await audience(1)
  const { id } = await system.startCampaign(tenant, tag)
  await system.untilCampaign(tenant, id, 'completed')
  await system.settled()
  const [attempt] = await system.world.sql<{ id: string; wamid: string }>(
    'select id::text, wamid from campaigns.attempts where campaign_id = $1',
    [id],
  )
  return { campaignId: id, attemptId: attempt!.id, wamid: attempt!.wamid, contactId: ids[0]! }
}

/** Delivers that a message failed by two errors, the second of which is the one that counts. */
async function failed({ campaignId, attemptId, wamid }: Sent, code: number): Promise<void> {
  const { phoneNumberId, wabaId } = tenant
  const token = createTokens(system.world.platformKey).issue({
    kind: 'c',
    ownerId: campaignId,
    attemptId,
    phoneNumberId,
  })
  const timestamp = String(Math.floor(Date.now() / 1000))
  const errors = [
    { code: 131000, title: 'Something went wrong' },
    { code, title: 'Refused' },
  ]
  const status = { id: wamid, status: 'failed', timestamp, biz_opaque_callback_data: token, errors }
  const metadata = { display_phone_number: '15550000', phone_number_id: phoneNumberId }
  const change = {
    field: 'messages',
    value: { messaging_product: 'whatsapp', metadata, statuses: [status] },
  }
  const body = JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: wabaId, changes: [change] }],
  })
  expect(await postWebhook(system.webhookUrl(tenant), tenant.appSecret, body)).toBe(200)
}

const open = async (campaignId: string) =>
  (
    await system.world.sql(
      "select from webhook_gateway.feed_open where lane = 'webhooks.campaign' and key = $1",
      [campaignId],
    )
  ).length
const failures = async ({ campaignId }: Sent) =>
  (
    await system.world.sql(
      'select failed_at from campaigns.attempts where campaign_id = $1 and failed_at is not null',
      [campaignId],
    )
  ).length

test.each([131050, 130403])(
  'once a status is settled, the check refuses whom any of its errors, as %i, is about',
  async (code) => {
    const sent = await sentMessage()
    await failed(sent, code)
    await until(async () => (await open(sent.campaignId)) === 0)
    expect(await refusalOf(sent.contactId)).toBe(code === 131050 ? 'opted_out' : 'blocked')
    expect(await failures(sent)).toBe(1)
  },
)

test('the ledger has it before the status is recorded: campaigns that is killed in between loses nothing and writes it once', async () => {
  await using alone = await startSystem({
    services: services.filter((name) => name !== 'api' && name !== 'campaigns'),
  })
  system = alone
  tenant = await alone.addTenant()
  campaigns = await alone.spawn('campaigns')
  const sent = await storedMessage()
  await withClient(alone.world.adminUrl, async (client) => {
    await client.query('begin')
    await client.query('select from campaigns.recipients where campaign_id = $1 for update', [
      sent.campaignId,
    ])
    await failed(sent, 131050)
    await until(async () => (await refusalOf(sent.contactId)) === 'opted_out')
    expect([await open(sent.campaignId), await failures(sent)]).toEqual([1, 0])
    await campaigns.stop('SIGKILL')
    await client.query('rollback')
  })
  expect([await open(sent.campaignId), await failures(sent)]).toEqual([1, 0])
  campaigns = await alone.spawn('campaigns')
  await until(async () => (await open(sent.campaignId)) === 0, 60_000)
  expect([await failures(sent), await refusalOf(sent.contactId)]).toEqual([1, 'opted_out'])
  const ledger = await alone.world.sql(
    'select distinct kind, via, said_at from contacts.consents where contact_id = $1',
    [sent.contactId],
  )
  expect(ledger).toMatchObject([{ kind: 'opt_out', via: 'error_131050' }])
  await campaigns.stop()
}, 120_000)

/** The rows of a message that Meta has accepted, for campaigns itself has a port of its own here. */
async function storedMessage(): Promise<Sent> {
  const { ids } = await audience(1)
  const [row] = await system.world.sql<Sent>(
    `with c as (
      insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
      select gen_random_uuid(), account_id, 'Spring', id, phone_number_id, app_id, gen_random_uuid(), '{}', '{}', 'completed', now()
      from accounts.connections where account_id = $1 and id = $2 returning id, account_id
    ), s as (
      insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, accepted) select id, account_id, 1, 1 from c
    ), r as (
      insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempt_id, attempts)
      select account_id, id, $3, gen_random_uuid(), '4915120000000', '', '{}', 'accepted', 1, 1 from c returning id, account_id, campaign_id
    ) insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, accepted_at)
      select account_id, campaign_id, id, 1, 'accepted', 1, 'wamid.stored', now() from r
      returning campaign_id as "campaignId", id::text as "attemptId", wamid`,
    [tenant.accountId, tenant.connectionId, ids[0]],
  )
  await system.world.sql(
    'update campaigns.recipients r set attempt_id = a.id from campaigns.attempts a where a.campaign_id = r.campaign_id and r.campaign_id = $1',
    [row!.campaignId],
  )
  return { ...row!, contactId: ids[0]! }
}
