import { audit } from '@lockstep/audit'
import type { PostLine } from '@lockstep/meta-simulator'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { assertClean } from './faults/run.ts'

/** What holds between a claim and its POST, whoever else is at work. Times are a tenth of the real ones. */
const scale = 0.1
const stack = new AsyncDisposableStack()
let system: TestSystem
beforeAll(async () => {
  system = stack.use(await startSystem({ scale }))
})
afterAll(() => stack.disposeAsync())

let used = 0
async function audience(count: number, tenant: Tenant): Promise<{ tag: string; people: string[] }> {
  const people = phones(count, 500_000 + used)
  const tag = `sending-${used}`
  used += count
  await system.importContacts(tenant, people, tag)
  return { tag, people }
}

const digits = (phone: string) => phone.slice(1)
const posts = async (id: string) =>
  (await Array.fromAsync(
    system.simulator.client.log({ kind: 'post', callbackPrefix: `lk1.c.${id}.` }),
  )) as PostLine[]
const attempts = (id: string) =>
  system.world.sql<{ number: number; outcome: string }>(
    'select number, outcome from campaigns.attempts where campaign_id = $1',
    [id],
  )

test('who has another number since the list was made is written to at the number that they have now', async () => {
  const tenant = await system.addTenant()
  const { tag, people } = await audience(1, tenant)
  const [old, present] = [digits(people[0]!), '4915129999999']
  await system.simulator.client.setSettings({
    errors: { next: [{ code: 131048, count: 1, recipient: old }] },
  })
  const { id } = await system.startCampaign(tenant, tag)
  await system.untilCampaign(tenant, id, 'paused')
  const payload = {
    type: 'user_changed_number',
    body: 'A person changed their number',
    wa_id: present,
  }
  await system.simulator.client.inbound({
    phoneNumberId: tenant.phoneNumberId,
    from: old,
    type: 'system',
    payload,
  })
  const { contacts, campaigns } = system.clients
  await until(
    async () =>
      (await contacts.listContacts({ tag, limit: 1 }, tenant)).contacts[0]?.waId === present,
  )
  await campaigns.resumeCampaign({ id }, tenant)
  await system.untilCampaign(tenant, id, 'completed')
  expect((await posts(id)).map(({ recipient }) => recipient)).toEqual([old, present])
  expect(
    (await campaigns.listRecipients({ campaignId: id, limit: 1 }, tenant)).recipients[0]!.phone,
  ).toBe(present)
})

test('two campaigns to one person: six seconds lie between their messages', async () => {
  const tenant = await system.addTenant()
  const { tag, people } = await audience(1, tenant)
  const started = await Promise.all([
    system.startCampaign(tenant, tag),
    system.startCampaign(tenant, tag),
  ])
  await Promise.all(started.map(({ id }) => system.untilCampaign(tenant, id, 'completed')))
  const sent = (await Promise.all(started.map(({ id }) => posts(id))))
    .flat()
    .sort((a, b) => a.atMs - b.atMs)
  expect(sent.map(({ recipient }) => recipient)).toEqual([digits(people[0]!), digits(people[0]!)])
  expect(sent[1]!.atMs - sent[0]!.atMs).toBeGreaterThanOrEqual(6_000 * scale)
})

/** A campaign that is in the midst of sending, of a number that sends 20 a second in scaled time. */
async function sending(): Promise<{ tenant: Tenant; id: string }> {
  const tenant = await system.addTenant({ perMinute: 60_000, perSecond: 2 })
  const { tag } = await audience(60, tenant)
  const { id } = await system.startCampaign(tenant, tag)
  await until(async () => (await posts(id)).length > 0)
  return { tenant, id }
}

/** That nobody is claimed any more, and that those who were not written to wait. */
async function standsStill(id: string, tenant: Tenant, reason: RegExp): Promise<void> {
  const paused = await system.untilCampaign(tenant, id, 'paused')
  expect(paused.reason).toMatch(reason)
  const { statistics } = await until(async () => {
    const campaign = await system.campaign(tenant, id)
    return campaign.statistics!.sending === 0 && campaign
  })
  expect(statistics!.queued).toBeGreaterThan(0)
  expect(statistics!.queued + (await posts(id)).length).toBe(60)
}

test('a template that is no longer approved stops the campaign with the words', async () => {
  const { tenant, id } = await sending()
  const rows = "where account_id = $1 and name = 'spring_offer'"
  await system.world.sql(`update templates.templates set status = 'PAUSED' ${rows}`, [
    tenant.accountId,
  ])
  await standsStill(id, tenant, /"spring_offer" is PAUSED at Meta/)
  await system.world.sql(`update templates.templates set status = 'APPROVED' ${rows}`, [
    tenant.accountId,
  ])
  await system.clients.campaigns.cancelCampaign({ id }, tenant)
})

test('a number that is disconnected stops the campaign with the words', async () => {
  const { tenant, id } = await sending()
  await system.clients.accounts.disconnect({ id: tenant.connectionId }, tenant)
  await standsStill(id, tenant, /disconnected.*Connect it again/)
  await system.clients.campaigns.cancelCampaign({ id }, tenant)
})

test('eight campaigns of one process at once, with slow answers: each message has one attempt', async () => {
  const tenant = await system.addTenant()
  await system.simulator.client.setSettings({ latencyMs: { min: 30, max: 60 } })
  const audiences = await Promise.all(Array.from({ length: 8 }, () => audience(60, tenant)))
  const started = await Promise.all(audiences.map(({ tag }) => system.startCampaign(tenant, tag)))
  for (const { id } of started) {
    const { statistics } = await system.untilCampaign(tenant, id, 'completed', 60_000)
    expect(statistics).toMatchObject({ accepted: 60, unknown: 0 })
    expect((await attempts(id)).filter(({ number }) => number > 1)).toEqual([])
  }
  await system.simulator.client.setSettings({ latencyMs: 0 })
})

test('in the end no invariant is violated', async () => {
  await system.settled()
  assertClean(await audit({ ...system.audited, settled: true }))
})
