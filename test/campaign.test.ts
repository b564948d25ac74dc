import { audit } from '@lockstep/audit'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

const stack = new AsyncDisposableStack()
let system: TestSystem
let tenant: Tenant

beforeAll(async () => {
  system = stack.use(await startSystem())
  tenant = await system.addTenant()
  await system.importContacts(tenant, phones(200))
  await system.importContacts(tenant, phones(20), 'few')
})
afterAll(() => stack.disposeAsync())

const accepted = (campaignId: string) =>
  system.simulator.client.accepted({ callbackPrefix: `lk1.c.${campaignId}.` })
const recipients = async (campaignId: string, state: string) =>
  (await system.clients.campaigns.listRecipients({ campaignId, state, limit: 1_000 }, tenant))
    .recipients
/** The pair limit lets a person be written to once in six (scaled) seconds; each test has people of its own. */
let used = 10_000
function freshPhones(count: number): string[] {
  used += count
  return phones(count, used - count)
}

test('a campaign goes out once to each recipient, and its statuses come back', async () => {
  const { id } = await system.startCampaign(tenant)
  await system.untilCampaign(tenant, id, 'completed')
  await system.settled()
  const posts = await accepted(id)
  expect(posts).toHaveLength(200)
  expect(new Set(posts.map((post) => post.recipient)).size).toBe(200)
  const { statistics } = await system.campaign(tenant, id)
  expect(statistics).toMatchObject({
    recipients: 200,
    accepted: 200,
    sent: 200,
    delivered: 200,
    failed: 0,
    unknown: 0,
    queued: 0,
    sending: 0,
  })
  expect(statistics!.read).toBeGreaterThan(0)
})

test('a template that is unknown, not approved, or lacks a value is refused at the door, in words', async () => {
  const draft = {
    name: 'x',
    connectionId: tenant.connectionId,
    templateName: 'spring_offer',
    templateLanguage: 'en_US',
    filter: { tags: ['all'] },
  }
  const values = { 'header.1': 'a', 'body.1': 'b', 'body.2': 'c' }
  const { campaigns } = system.clients
  await expect(
    campaigns.createCampaign({ ...draft, templateName: 'nope', values }, tenant),
  ).rejects.toMatchObject({ failure: 'not_found' })
  await expect(
    campaigns.createCampaign({ ...draft, values: { 'header.1': 'a', 'body.1': 'b' } }, tenant),
  ).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining('"body.2"'),
  })
  await expect(
    campaigns.createCampaign({ ...draft, values, filter: { tags: [] } }, tenant),
  ).rejects.toMatchObject({ failure: 'invalid' })
  const unknown = { ...values, 'body.1': 'Dear {{first_name}}' }
  await expect(
    campaigns.createCampaign({ ...draft, values: unknown }, tenant),
  ).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining('{{first_name}}'),
  })
  const pending = await campaigns.createCampaign(
    { ...draft, templateName: 'autumn_preview', values: { 'body.1': 'a' } },
    tenant,
  )
  await expect(campaigns.startCampaign({ id: pending.id }, tenant)).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringContaining('PENDING'),
  })
  expect((await system.campaign(tenant, pending.id)).state).toBe('draft')
})

test('a campaign whose values were good once is refused at its start, and nobody is written to', async () => {
  const { id } = await system.createCampaign(tenant, 'few')
  await system.world.sql(
    'update campaigns.campaigns set values = values || $2::jsonb where id = $1',
    [id, '{"body.1": "{{first_name}}"}'],
  )
  await expect(system.clients.campaigns.startCampaign({ id }, tenant)).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining('There are {{name}}, {{phone}} and {{attributes'),
  })
  expect((await system.campaign(tenant, id)).state).toBe('draft')
})

test('what goes out is whole: people bring line breaks and lack names, and the others get one message each', async () => {
  const people = freshPhones(4)
  await system.importContacts(tenant, people, 'whole')
  await system.world.sql(
    `update contacts.contacts set name = case phone when $1 then '' when $2 then E'Ana\n\tMaria      Lopez' else name end,
       attributes = case phone when $3 then '{"First Name": "Ana"}'::jsonb else '{"First Name": ""}' end where phone = any($4)`,
    [
      people[0]!.slice(1),
      people[1]!.slice(1),
      people[2]!.slice(1),
      people.map((phone) => phone.slice(1)),
    ],
  )
  const draft = await system.createCampaign(tenant, 'whole')
  const values = { 'header.1': '{{name}}', 'body.1': 'dear {{attributes.First Name|friend}}' }
  await system.world.sql(
    'update campaigns.campaigns set values = values || $2::jsonb where id = $1',
    [draft.id, JSON.stringify(values)],
  )
  await system.clients.campaigns.startCampaign({ id: draft.id }, tenant)
  const { statistics } = await system.untilCampaign(tenant, draft.id, 'completed')
  expect(statistics).toMatchObject({ recipients: 4, accepted: 3, skipped: 1, rejected: 0 })
  expect((await recipients(draft.id, 'skipped')).map((r) => r.reason)).toEqual([
    'no value for {{name}} of header.1',
  ])
  const filled = await system.world.sql<{ header: string; body: string }>(
    `select values ->> 'header.1' as header, values ->> 'body.1' as body from campaigns.recipients where campaign_id = $1 and state <> 'skipped'`,
    [draft.id],
  )
  expect(filled.map(({ header }) => header)).toContain('Ana Maria Lopez')
  expect(filled.map(({ body }) => body).sort()).toEqual(['dear Ana', 'dear friend', 'dear friend'])
})

test('an audience of nobody, and one of people who must all be left out, say so', async () => {
  const none = await system.startCampaign(tenant, 'carried by nobody')
  expect(await system.untilCampaign(tenant, none.id, 'completed')).toMatchObject({
    reason: 'Nobody was written to: no contact has the tag "carried by nobody".',
    statistics: { recipients: 0 },
  })
  await system.importContacts(tenant, freshPhones(1), 'alone')
  const { contacts } = await system.clients.contacts.listContacts(
    { tag: 'alone', limit: 1 },
    tenant,
  )
  await system.clients.contacts.recordConsent(
    { contactId: contacts[0]!.id, kind: 'opt_out', evidence: 'phone call' },
    tenant,
  )
  const out = await system.startCampaign(tenant, 'alone')
  expect(await system.untilCampaign(tenant, out.id, 'completed')).toMatchObject({
    reason: expect.stringMatching(
      /^Nobody was written to: the one person with the tag "alone" had to be left out/,
    ),
    statistics: { recipients: 1, skipped: 1 },
  })
})

test('another account neither sees nor moves a campaign', async () => {
  const other = await system.addTenant()
  const { id } = await system.startCampaign(tenant, 'few')
  for (const order of [
    'getCampaign',
    'startCampaign',
    'pauseCampaign',
    'resumeCampaign',
    'cancelCampaign',
  ] as const)
    await expect(system.clients.campaigns[order]({ id }, other)).rejects.toMatchObject({
      failure: 'not_found',
    })
  expect((await system.clients.campaigns.listCampaigns({}, other)).campaigns).toEqual([])
  await system.untilCampaign(tenant, id, 'completed')
})

test('who opted out or was blocked is skipped with the reason and never written to', async () => {
  const people = freshPhones(10)
  await system.importContacts(tenant, people, 'consent')
  const { contacts } = await system.clients.contacts.listContacts(
    { tag: 'consent', limit: 10 },
    tenant,
  )
  await system.clients.contacts.recordConsent(
    { contactId: contacts[0]!.id, kind: 'opt_out', evidence: 'phone call' },
    tenant,
  )
  await system.clients.contacts.recordConsent(
    { contactId: contacts[1]!.id, kind: 'block', evidence: 'abuse' },
    tenant,
  )
  const { id } = await system.startCampaign(tenant, 'consent')
  const { statistics } = await system.untilCampaign(tenant, id, 'completed')
  expect(statistics).toMatchObject({ recipients: 10, skipped: 2 })
  expect((await recipients(id, 'skipped')).map((r) => r.reason).sort()).toEqual([
    'blocked',
    'opted_out',
  ])
  const written = (await accepted(id)).map((post) => post.recipient)
  expect(written).not.toContain(contacts[0]!.phone)
  expect(written).not.toContain(contacts[1]!.phone)
})

test('a stop code puts the recipient back into the queue and pauses the campaign with the reason; resumed, it completes', async () => {
  await system.importContacts(tenant, freshPhones(30), 'stopped')
  await system.simulator.client.setSettings({ errors: { next: [{ code: 131048, count: 1 }] } })
  const { id } = await system.startCampaign(tenant, 'stopped')
  const paused = await system.untilCampaign(tenant, id, 'paused')
  expect(paused.reason).toMatch(/spam|quality/i)
  await until(async () => (await system.campaign(tenant, id)).statistics!.sending === 0)
  const { statistics } = await system.campaign(tenant, id)
  expect(statistics!.queued).toBeGreaterThan(0)
  expect(statistics).toMatchObject({ recipients: 30, rejected: 0, failed: 0, unknown: 0 })
  await system.clients.campaigns.resumeCampaign({ id }, tenant)
  expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    accepted: 30,
    queued: 0,
  })
  expect(await accepted(id)).toHaveLength(30)
})

test('a throttled message waits and goes out once; a refused one is rejected with its code', async () => {
  await system.importContacts(tenant, freshPhones(20), 'errors')
  const next = [
    { code: 131056, count: 2 },
    { code: 131009, count: 3 },
  ]
  await system.simulator.client.setSettings({ errors: { next } })
  const { id } = await system.startCampaign(tenant, 'errors')
  const { statistics } = await system.untilCampaign(tenant, id, 'completed', 60_000)
  expect(statistics).toMatchObject({ recipients: 20, accepted: 17, rejected: 3, unknown: 0 })
  const attempts = (await recipients(id, '')).map((recipient) => recipient.attempts)
  expect(attempts.reduce((sum, n) => sum + n)).toBe(20 + 2)
  expect(await accepted(id)).toHaveLength(17)
}, 90_000)

test('an answer that is lost leaves an unknown attempt that is never sent again blindly; its status webhook resolves it', async () => {
  await system.importContacts(tenant, freshPhones(12), 'lost')
  await system.simulator.client.setSettings({ webhooks: { paused: true } })
  const next = [
    { kind: 'reset' as const, count: 2 },
    { kind: 'unreadable' as const, count: 2 },
    { kind: 'hang' as const, count: 1 },
    { kind: 'bad-gateway' as const, count: 1 },
  ]
  await system.simulator.client.setSettings({ faults: { next } })
  const { id } = await system.startCampaign(tenant, 'lost')
  const before = await system.untilCampaign(tenant, id, 'completed')
  expect(before.statistics).toMatchObject({ recipients: 12, accepted: 6, unknown: 6 })
  await system.simulator.client.setSettings({ webhooks: { paused: false } })
  await system.settled()
  expect((await system.campaign(tenant, id)).statistics).toMatchObject({
    accepted: 12,
    unknown: 0,
    delivered: 12,
  })
  expect(await accepted(id)).toHaveLength(12)
})

test('a person may order an unknown one to be sent again, as a further attempt', async () => {
  await system.importContacts(tenant, freshPhones(5), 'again')
  await system.simulator.client.setSettings({ faults: { next: [{ kind: 'lost', count: 1 }] } })
  const { id } = await system.startCampaign(tenant, 'again')
  await system.untilCampaign(tenant, id, 'completed')
  const [unknown] = await recipients(id, 'unknown')
  expect(await system.clients.campaigns.resendUnknown({ campaignId: id }, tenant)).toEqual({
    queued: 0,
  }) // too young to be sent unnamed
  expect(
    await system.clients.campaigns.resendUnknown(
      { campaignId: id, recipientIds: [unknown!.id] },
      tenant,
    ),
  ).toEqual({ queued: 1 })
  await until(async () => (await system.campaign(tenant, id)).statistics!.accepted === 5)
  expect(await accepted(id)).toHaveLength(5)
  const [again] = (await recipients(id, '')).filter((recipient) => recipient.id === unknown!.id)
  expect(again).toMatchObject({
    state: expect.not.stringMatching('unknown'),
    reason: "Sent again on a person's order",
  })
})

test('an unknown one says what is waited for, and after 15 minutes that it was possibly sent and what a person can do', async () => {
  await system.importContacts(tenant, freshPhones(1), 'possibly')
  await system.simulator.client.setSettings({ faults: { next: [{ kind: 'lost', count: 1 }] } })
  const { id } = await system.startCampaign(tenant, 'possibly')
  await system.untilCampaign(tenant, id, 'completed')
  expect((await recipients(id, 'unknown'))[0]!.reason).toMatch(/Its status webhook will tell/)
  await system.world.sql(
    "update campaigns.attempts set claimed_at = claimed_at - interval '16 minutes' where campaign_id = $1",
    [id],
  )
  expect((await recipients(id, 'unknown'))[0]!.reason).toMatch(
    /Possibly sent: no status has come in 15 minutes. Order it again/,
  )
  expect(await system.clients.campaigns.resendUnknown({ campaignId: id }, tenant)).toEqual({
    queued: 1,
  })
  await system.untilCampaign(tenant, id, 'completed')
  expect(await accepted(id)).toHaveLength(1)
})

test('paused means that nobody else is written to, and resumed that everybody is, once', async () => {
  await system.importContacts(tenant, freshPhones(400), 'paused')
  await system.simulator.client.setSettings({ latencyMs: 20 })
  const { id } = await system.startCampaign(tenant, 'paused')
  await until(async () => (await system.campaign(tenant, id)).statistics!.accepted > 20)
  await system.clients.campaigns.pauseCampaign({ id }, tenant)
  await until(async () => (await system.campaign(tenant, id)).statistics!.sending === 0)
  const whilePaused = (await accepted(id)).length
  expect(whilePaused).toBeLessThan(400)
  await system.settled()
  expect(await accepted(id)).toHaveLength(whilePaused)
  await system.clients.campaigns.resumeCampaign({ id }, tenant)
  await system.untilCampaign(tenant, id, 'completed')
  await system.simulator.client.setSettings({ latencyMs: 0 })
  const posts = await accepted(id)
  expect(posts).toHaveLength(400)
  expect(new Set(posts.map((post) => post.recipient)).size).toBe(400)
})

test('the default limit of 100 a minute binds until an owner raises it', async () => {
  const cautious = await system.addTenant({ perMinute: 100, perSecond: 80 })
  await system.importContacts(cautious, phones(130), 'all')
  const { id } = await system.startCampaign(cautious)
  const isFull = async () => (await system.campaign(cautious, id)).statistics!.accepted >= 80
  await until(isFull)
  const times = await until(async () => {
    const { statistics } = await system.campaign(cautious, id)
    return statistics!.accepted === 130 && (await accepted(id)).map((post) => post.atMs)
  }, 60_000)
  // Times are scaled by 0.1: a minute of the limiter lasts 6.1 s here. Replies keep their reserve of a fifth.
  expect(times).toHaveLength(130)
  for (const from of times)
    expect(times.filter((at) => at >= from && at < from + 6_000).length).toBeLessThanOrEqual(80)
}, 90_000)

test('a campaign that is cancelled while it is prepared writes to nobody and counts nobody', async () => {
  await system.importContacts(tenant, freshPhones(3_000), 'cancelled')
  const { id } = await system.startCampaign(tenant, 'cancelled')
  await system.clients.campaigns.cancelCampaign({ id }, tenant)
  await system.settled()
  expect(await system.campaign(tenant, id)).toMatchObject({
    state: 'cancelled',
    statistics: { recipients: 0, queued: 0 },
  })
  expect(await recipients(id, '')).toEqual([])
  expect(await accepted(id)).toEqual([])
})

test('in the end no invariant is violated', async () => {
  await system.settled()
  const report = await audit(system.audited)
  expect(
    report.invariants.filter((invariant) => invariant.violations > 0 && invariant.id !== 'I8'),
  ).toEqual([])
  expect(report.invariants.length).toBeGreaterThan(5)
})
