import { audit } from '@lockstep/audit'
import { postWebhook, until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { createTokens } from '@lockstep/whatsapp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { assertClean } from './faults/run.ts'

/** A campaign that stops by itself loses nobody, says why, and goes on when a person orders it. */
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

let used = 0
async function audience(count: number, of: Tenant): Promise<string> {
  const tag = `people-${used}`
  await system.importContacts(of, phones(count, used), tag)
  used += count
  return tag
}

const accepted = async (id: string) =>
  (await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).length

test('a campaign whose connection can not be used stops with the reason after three tries, loses nobody, and goes on when it is resumed', async () => {
  const tag = await audience(30, tenant)
  const secret = 'select sealed_token from accounts.connections where id = $1'
  const [kept] = await system.world.sql<{ sealed_token: Buffer }>(secret, [tenant.connectionId])
  const seal = (token: Buffer) =>
    system.world.sql('update accounts.connections set sealed_token = $2 where id = $1', [
      tenant.connectionId,
      token,
    ])
  await seal(Buffer.alloc(60))
  const { id } = await system.startCampaign(tenant, tag)
  const paused = await system.untilCampaign(tenant, id, 'paused')
  expect(paused.reason).toMatch(/Internal error.*Resume it when that is mended/)
  expect(paused.statistics).toMatchObject({ recipients: 30, queued: 30 })
  await seal(kept!.sealed_token)
  await system.clients.campaigns.resumeCampaign({ id }, tenant)
  expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    accepted: 30,
  })
})

test('a campaign that can not be prepared has failed with the reason, and can be started again', async () => {
  const tag = await audience(5, tenant)
  const draft = await system.createCampaign(tenant, tag)
  const filter = (tags: string[]) =>
    system.world.sql('update campaigns.campaigns set filter = $2 where id = $1', [
      draft.id,
      JSON.stringify({ tags }),
    ])
  await filter([])
  await system.clients.campaigns.startCampaign({ id: draft.id }, tenant)
  const failed = await system.untilCampaign(tenant, draft.id, 'failed')
  expect(failed.reason).toMatch(/^It could not be prepared: .*filter.*Start it again/)
  expect(failed.statistics).toMatchObject({ recipients: 0 })
  await filter([tag])
  await system.clients.campaigns.startCampaign({ id: draft.id }, tenant)
  const completed = await system.untilCampaign(tenant, draft.id, 'completed')
  expect(completed).toMatchObject({ reason: '', statistics: { recipients: 5, accepted: 5 } })
})

test('a template that was changed so that the values no longer fit stops the campaign before anybody is rejected', async () => {
  const tag = await audience(60, slow)
  await system.simulator.client.setSettings({
    errors: { next: [{ code: 131048, count: 1, phoneNumberId: slow.phoneNumberId }] },
  })
  const { id, templateId } = await system.startCampaign(slow, tag)
  await system.untilCampaign(slow, id, 'paused')
  const components = (text: (old: string) => string) =>
    system.world.sql(
      'update templates.templates set components = replace(components::text, $2, $3)::jsonb where id = $1',
      [templateId, '{{2}}', text('{{2}}')],
    )
  await components((old) => `${old} {{3}}`)
  await system.clients.campaigns.resumeCampaign({ id }, slow)
  const paused = await until(async () => {
    const campaign = await system.campaign(slow, id)
    return campaign.state === 'paused' && campaign
  })
  expect(paused.reason).toMatch(
    /needs a value for.*Change the template back and resume, or start a new campaign/,
  )
  await until(async () => (await system.campaign(slow, id)).statistics!.sending === 0)
  expect((await system.campaign(slow, id)).statistics).toMatchObject({
    recipients: 60,
    rejected: 0,
  })
  await system.world.sql(
    "update templates.templates set components = replace(components::text, ' {{3}}', '')::jsonb where id = $1",
    [templateId],
  )
  await system.clients.campaigns.resumeCampaign({ id }, slow)
  expect((await system.untilCampaign(slow, id, 'completed', 60_000)).statistics).toMatchObject({
    accepted: 60,
    rejected: 0,
  })
  expect(await accepted(id)).toBe(60)
}, 90_000)

test('a stop code in a status pauses once: repeated, or told of a message from before, it does not undo that a person resumed', async () => {
  const tag = await audience(300, slow)
  await system.simulator.client.setSettings({ webhooks: { paused: true } })
  const { id } = await system.startCampaign(slow, tag)
  const sent = await until(async () => {
    const rows = await attempts(id)
    return rows.length >= 2 && rows
  })
  await fail(id, sent[0]!)
  await system.untilCampaign(slow, id, 'paused')
  await until(async () => (await system.campaign(slow, id)).statistics!.sending === 0)
  const before = (await attempts(id)).length
  await system.clients.campaigns.resumeCampaign({ id }, slow)

  await fail(id, sent[0]!)
  await fail(id, sent[1]!)
  await untilTaken(id)
  expect((await system.campaign(slow, id)).state).toBe('sending')
  expect((await system.campaign(slow, id)).statistics).toMatchObject({ failed: 2 })

  const later = await until(async () => (await attempts(id))[before])
  await fail(id, later)
  await system.untilCampaign(slow, id, 'paused')
  await system.clients.campaigns.cancelCampaign({ id }, slow)
  await system.simulator.client.setSettings({ webhooks: { paused: false } })
}, 60_000)

test.each([
  [
    'a number that is missing at Meta',
    { code: 100, subcode: 33 },
    /^This number does not exist at Meta any more/,
  ],
  [
    'a template whose variables are others',
    { code: 132000 },
    /^The number of values does not match/,
  ],
  [
    'a refusal that may be of anything',
    { code: 100 },
    /^Meta has taken no message, and refused \d+ alike: A parameter of the request/,
  ],
  [
    'a code that nobody knows',
    { code: 999_999 },
    /^Meta has taken no message, and refused \d+ alike: Meta refused it with error 999999/,
  ],
])(
  '%s, answered to everybody, uses nobody up: the campaign pauses in words, and resumed it reaches all',
  async (_what, error, reason) => {
    const tag = await audience(40, slow)
    await system.simulator.client.setSettings({
      errors: { next: [{ ...error, count: 10_000, phoneNumberId: slow.phoneNumberId }] },
    })
    const { id } = await system.startCampaign(slow, tag)
    expect((await system.untilCampaign(slow, id, 'paused')).reason).toMatch(reason)
    await until(async () => (await system.campaign(slow, id)).statistics!.sending === 0)
    expect((await system.campaign(slow, id)).statistics).toMatchObject({
      recipients: 40,
      queued: 40,
      rejected: 0,
    })
    const [asked] = await system.world.sql<{ n: number }>(
      'select count(*)::int as n from campaigns.attempts where campaign_id = $1 and code is not null',
      [id],
    )
    expect(asked!.n, 'what had no slot when the run ended was not sent').toBeLessThan(30)
    const told =
      'select outcome, code, reason from campaigns.attempts where campaign_id = $1 and code is not null group by 1, 2, 3'
    expect(await system.world.sql(told, [id])).toMatchObject([
      { outcome: 'not_sent', code: error.code, reason: expect.stringMatching(/Meta says: /) },
    ])
    await system.simulator.client.setSettings({ errors: { next: [] } })
    await system.clients.campaigns.resumeCampaign({ id }, slow)
    expect((await system.untilCampaign(slow, id, 'completed')).statistics).toMatchObject({
      accepted: 40,
      rejected: 0,
    })
    expect(await accepted(id)).toBe(40)
  },
)

test('nobody of a cancelled campaign is ordered to be written to again', async () => {
  const [lost, stopped] = phones(2, used)
  const tag = await audience(2, tenant)
  const once = (phone: string) => ({ count: 1, recipient: phone.slice(1) })
  await system.simulator.client.setSettings({
    faults: { next: [{ kind: 'lost', ...once(lost!) }] },
    errors: { next: [{ code: 131048, ...once(stopped!) }] },
  })
  const { id } = await system.startCampaign(tenant, tag)
  await system.untilCampaign(tenant, id, 'paused')
  await until(async () => (await system.campaign(tenant, id)).statistics!.unknown === 1)
  await system.clients.campaigns.cancelCampaign({ id }, tenant)
  const [unknown] = (
    await system.clients.campaigns.listRecipients(
      { campaignId: id, state: 'unknown', limit: 10 },
      tenant,
    )
  ).recipients
  const again = system.clients.campaigns.resendUnknown(
    { campaignId: id, recipientIds: [unknown!.id] },
    tenant,
  )
  await expect(again).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringContaining('is cancelled'),
  })
  expect((await system.campaign(tenant, id)).statistics).toMatchObject({ unknown: 1, queued: 1 })
})

test('an outcome that PostgreSQL refuses to store as Meta told it is kept without its words, and its neighbours are not held up', async () => {
  await system.world.sql(`create function campaigns.refuse() returns trigger language plpgsql as $$
      begin if new.code = 131009 then raise numeric_value_out_of_range; end if; return new; end $$;
    create trigger refuse before update on campaigns.attempts for each row execute function campaigns.refuse()`)
  const tag = await audience(20, tenant)
  await system.simulator.client.setSettings({
    errors: { next: [{ code: 131009, count: 2, phoneNumberId: tenant.phoneNumberId }] },
  })
  const { id } = await system.startCampaign(tenant, tag)
  expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    accepted: 18,
    rejected: 2,
    unknown: 0,
  })
  await system.world.sql('drop function campaigns.refuse cascade')
})

test('in the end no invariant is violated', async () => {
  await system.settled()
  assertClean(await audit({ ...system.audited, settled: true }))
})

interface Sent {
  id: string
  wamid: string
}

/** The accepted attempts of a campaign, oldest first. */
const attempts = (campaignId: string) =>
  system.world.sql<Sent>(
    "select id::text, wamid from campaigns.attempts where campaign_id = $1 and outcome = 'accepted' order by attempts.id",
    [campaignId],
  )

/** Delivers the status that a message failed because the account can't pay (131042 stops a campaign). */
async function fail(campaignId: string, { id, wamid }: Sent): Promise<void> {
  const { phoneNumberId, wabaId } = slow
  const token = createTokens(system.world.platformKey).issue({
    kind: 'c',
    ownerId: campaignId,
    attemptId: id,
    phoneNumberId,
  })
  const status = {
    id: wamid,
    status: 'failed',
    timestamp: String(Math.floor(Date.now() / 1000)),
    recipient_id: '4915120000000',
    biz_opaque_callback_data: token,
    errors: [{ code: 131042, title: 'Business eligibility payment issue' }],
  }
  const metadata = { display_phone_number: '15550000', phone_number_id: phoneNumberId }
  const change = {
    field: 'messages',
    value: { messaging_product: 'whatsapp', metadata, statuses: [status] },
  }
  const body = JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: wabaId, changes: [change] }],
  })
  expect(await postWebhook(system.webhookUrl(slow), slow.appSecret, body)).toBe(200)
}

/** Waits until all statuses that came have had their effect. */
async function untilTaken(campaignId: string): Promise<void> {
  const open = "select from webhook_gateway.feed_open where lane = 'webhooks.campaign' and key = $1"
  await until(async () => (await system.world.sql(open, [campaignId])).length === 0)
}
