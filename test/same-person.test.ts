import { audit } from '@lockstep/audit'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { assertClean } from './faults/run.ts'

/** Two recipients of a campaign who turn out to be one person while it sends: the person gets one message, not two, and not none. */
const stack = new AsyncDisposableStack()
let system: TestSystem
let tenant: Tenant

beforeAll(async () => {
  system = stack.use(await startSystem())
  tenant = await system.addTenant()
})
afterAll(() => stack.disposeAsync())

let used = 0
/** People of a tag, the oldest contact first. */
async function audience(count: number, tag: string): Promise<string[]> {
  const people = phones(count, used)
  used += count
  for (const phone of people) await system.importContacts(tenant, [phone], tag)
  return people
}

const digits = (phone: string) => phone.slice(1)
const answer = (code: number, phone: string) => ({ code, count: 1, recipient: digits(phone) })
const accepted = async (id: string) =>
  (await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).map(
    (post) => post.recipient,
  )

/** Starts a campaign in which Meta answers as told, and waits until it has paused itself and nothing is under way. */
async function paused(
  tag: string,
  next: { code: number; count: number; recipient: string }[],
): Promise<string> {
  // The others are on their way when the first answer stops the campaign.
  await system.simulator.client.setSettings({ errors: { next }, latencyMs: 100 })
  const { id } = await system.startCampaign(tenant, tag)
  await system.untilCampaign(tenant, id, 'paused')
  await until(async () => (await system.campaign(tenant, id)).statistics!.sending === 0)
  return id
}

/** Meta says that a person changed their number; contacts merges the two, the older one stays. */
async function join(from: string, to: string): Promise<void> {
  const merged = async () =>
    (await system.world.sql('select from contacts.contacts where merged_into is not null')).length
  const before = await merged()
  const payload = {
    type: 'user_changed_number',
    body: 'A person changed their number',
    wa_id: digits(to),
  }
  await system.simulator.client.inbound({
    phoneNumberId: tenant.phoneNumberId,
    from: digits(from),
    type: 'system',
    payload,
  })
  await until(async () => (await merged()) > before)
}

/** Goes on with a paused campaign; answers who was written to in all, and why others were not. */
async function resumed(id: string): Promise<{ written: string[]; skipped: string[] }> {
  await system.clients.campaigns.resumeCampaign({ id }, tenant)
  await system.untilCampaign(tenant, id, 'completed')
  const { recipients } = await system.clients.campaigns.listRecipients(
    { campaignId: id, state: 'skipped', limit: 100 },
    tenant,
  )
  return { written: await accepted(id), skipped: recipients.map(({ reason }) => reason) }
}

test.each(['older', 'younger'] as const)(
  'the %s contact, which waits in the queue when the other was written to, is not written to',
  async (who) => {
    const [older, younger] = (await audience(2, `${who}-waits`)) as [string, string]
    const [waiting, written] = who === 'older' ? [older, younger] : [younger, older]
    const id = await paused(`${who}-waits`, [answer(131048, waiting)])
    await join(younger, older)
    expect(await resumed(id)).toEqual({ written: [digits(written)], skipped: ['duplicate'] })
  },
)

test('two recipients that both became a third contact, which is no recipient, are one person too', async () => {
  const [third] = (await audience(1, 'no-recipient')) as [string]
  const [waiting, written] = (await audience(2, 'both-joined')) as [string, string]
  const id = await paused('both-joined', [answer(131048, waiting)])
  await join(waiting, third)
  await join(written, third)
  expect(await resumed(id)).toEqual({ written: [digits(written)], skipped: ['duplicate'] })
})

test('of two that wait, one is written to', async () => {
  const [older, younger] = (await audience(2, 'both-wait')) as [string, string]
  const id = await paused('both-wait', [answer(131048, older), answer(131048, younger)])
  await join(younger, older)
  const { written, skipped } = await resumed(id)
  expect({ written: written.length, skipped }).toEqual({ written: 1, skipped: ['duplicate'] })
})

test('who got nothing under the other number, because Meta rejected it, is written to at the number that they have now', async () => {
  const [older, younger] = (await audience(2, 'rejected')) as [string, string]
  const id = await paused('rejected', [answer(131009, older), answer(131048, younger)])
  await join(younger, older)
  expect(await resumed(id)).toEqual({ written: [digits(older)], skipped: [] })
})

test('of two whose messages may have been lost, and who are ordered once more, one is written to', async () => {
  const [older, younger] = (await audience(2, 'both-unknown')) as [string, string]
  const lost = (phone: string) => ({ kind: 'lost' as const, count: 1, recipient: digits(phone) })
  await system.simulator.client.setSettings({ faults: { next: [lost(older), lost(younger)] } })
  const { id } = await system.startCampaign(tenant, 'both-unknown')
  expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    unknown: 2,
  })
  await join(younger, older)
  const { recipients } = await system.clients.campaigns.listRecipients(
    { campaignId: id, limit: 10 },
    tenant,
  )
  await system.clients.campaigns.resendUnknown(
    { campaignId: id, recipientIds: recipients.map((recipient) => recipient.id) },
    tenant,
  )
  await until(async () => (await system.campaign(tenant, id)).statistics!.queued === 0)
  expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    accepted: 1,
    skipped: 1,
    unknown: 0,
  })
  expect(await accepted(id)).toHaveLength(1)
})

test('in the end no invariant is violated', async () => {
  await system.settled()
  assertClean(await audit({ ...system.audited, settled: true }))
})
