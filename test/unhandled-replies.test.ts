import { audit } from '@lockstep/audit'
import { type ServiceName, services } from '@lockstep/contracts'
import { connect, type RpcClient } from '@lockstep/rpc'
import { FeedDefinition } from '@lockstep/rpc/gen/feed'
import { startInProcess } from '@lockstep/system'
import { postWebhook, until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { createTokens } from '@lockstep/whatsapp'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { assertClean } from './faults/run.ts'

/** Nobody is written to while it is not known what people have said. */
const scale = 0.1
/** What is younger and open holds nobody up. */
const repliesWithinMs = 30_000 * scale
const stack = new AsyncDisposableStack()
const running = new Map<ServiceName, AsyncDisposable>()
let system: TestSystem
let feed: RpcClient<typeof FeedDefinition>
let tenant: Tenant

beforeAll(async () => {
  system = stack.use(
    await startSystem({
      services: services.filter((s) => !['api', 'conversations', 'webhook-gateway'].includes(s)),
      scale,
    }),
  )
  stack.defer(async () => {
    for (const name of [...running.keys()]) await stop(name)
  })
  await begin('webhook-gateway')
  feed = stack.use(connect(FeedDefinition, `127.0.0.1:${system.ports['webhook-gateway'].grpc}`))
})
afterAll(() => stack.disposeAsync())
beforeEach(async () => {
  await begin('conversations')
  tenant = await system.addTenant()
})

async function begin(name: ServiceName): Promise<void> {
  if (!running.has(name))
    running.set(name, await startInProcess(system.ports, system.surroundings, [name], { scale }))
}

async function stop(name: ServiceName): Promise<void> {
  await running.get(name)?.[Symbol.asyncDispose]()
  running.delete(name)
}

let used = 0
/** Imports people, and answers their numbers in digits. */
async function people(count = 5): Promise<{ tag: string; digits: string[] }> {
  const numbers = phones(count, used)
  used += count
  await system.importContacts(tenant, numbers, `people-${used}`)
  return { tag: `people-${used}`, digits: numbers.map((phone) => phone.slice(1)) }
}

/** A person writes; the webhook is answered 200 when this returns. */
async function says(from: string, text: string): Promise<void> {
  const messages = [
    {
      from,
      id: `wamid.${from}.${text}`,
      timestamp: String(Math.floor(Date.now() / 1000)),
      type: 'text',
      text: { body: text },
    },
  ]
  const value = {
    messaging_product: 'whatsapp',
    metadata: { phone_number_id: tenant.phoneNumberId },
    messages,
  }
  const body = {
    object: 'whatsapp_business_account',
    entry: [{ id: tenant.wabaId, changes: [{ field: 'messages', value }] }],
  }
  expect(await postWebhook(system.webhookUrl(tenant), tenant.appSecret, JSON.stringify(body))).toBe(
    200,
  )
}

const waitsFor = async (id: string) =>
  (
    await system.world.sql<{ waits_for: string }>(
      'select waits_for from campaigns.campaigns where id = $1',
      [id],
    )
  )[0]!.waits_for

const untilWaits = (id: string, reason: RegExp) =>
  until(async () => {
    const campaign = await system.campaign(tenant, id)
    if (
      campaign.state !== 'sending' ||
      !reason.test(campaign.reason) ||
      (await waitsFor(id)) !== 'replies'
    )
      throw new Error(`The campaign is ${campaign.state}: ${campaign.reason}`)
    return campaign
  })

const claims = async (id: string) =>
  (
    await system.world.sql<{ n: number }>(
      'select count(*)::int as n from campaigns.attempts where campaign_id = $1',
      [id],
    )
  )[0]!.n

const accepted = async (id: string) =>
  (await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).map(
    (m) => m.recipient,
  )

async function goesOn(id: string, skipped = 0, recipients = 5): Promise<void> {
  const { reason, statistics } = await system.untilCampaign(tenant, id, 'completed')
  expect([reason, await waitsFor(id)]).toEqual(['', ''])
  expect(statistics).toMatchObject({ recipients, skipped, accepted: recipients - skipped })
}

test('what came for a number while it was nobody’s is handled before the number sends: a stop among it is kept', async () => {
  const { tag, digits } = await people()
  await system.clients.accounts.disconnect({ id: tenant.connectionId }, tenant)
  await until(async () => {
    await says(digits[0]!, 'STOP')
    return (
      (
        await system.world.sql(
          `select from webhook_gateway.webhook_part_results where key = $1 and outcome = 'no_connection'`,
          [tenant.phoneNumberId],
        )
      ).length > 0
    )
  })
  await stop('conversations')
  const { phoneNumberId, wabaId, appId, accessToken } = tenant
  const again = await system.clients.accounts.createConnection(
    { name: 'Again', phoneNumberId, wabaId, appId, accessToken },
    tenant,
  )
  tenant = { ...tenant, connectionId: again.id }
  const { id } = await system.startCampaign(tenant, tag)
  await untilWaits(
    id,
    /^Waits because what came for \+1 555 \d+ before it was connected is not handled yet$/,
  )
  expect(await claims(id)).toBe(0)
  await begin('conversations')
  await goesOn(id, 1)
  expect(await accepted(id)).not.toContain(digits[0])
})

/** A campaign of a template that goes to people who said stop, too. */
async function startCode(tag: string): Promise<string> {
  const named = {
    name: 'Code',
    connectionId: tenant.connectionId,
    templateName: 'login_code',
    templateLanguage: 'en_US',
  }
  const { id } = await system.clients.campaigns.createCampaign(
    {
      ...named,
      filter: { tags: [tag] },
      values: { 'body.1': '123456', 'button.0.code': '123456' },
    },
    tenant,
  )
  await system.clients.campaigns.startCampaign({ id }, tenant)
  return id
}

test('marketing waits in words while replies are not handled, codes do not; it goes on by itself, and leaves out who said stop meanwhile', async () => {
  const { tag, digits } = await people()
  await stop('conversations')
  await says(digits[1]!, 'STOP')
  await until(async () => {
    const waiting = `select from webhook_gateway.feed_open where key = $1 and created_at < now() - interval '3 s'`
    return (await system.world.sql(waiting, [tenant.phoneNumberId])).length > 0
  })
  const { id } = await system.startCampaign(tenant, tag)
  await untilWaits(
    id,
    /^Waits because replies are not handled: the oldest webhook of \+1 555 \d+ has waited for \d+ s$/,
  )
  const code = await startCode(tag)
  await system.untilCampaign(tenant, code, 'completed')
  expect(await claims(code)).toBe(5)
  expect(await claims(id)).toBe(0)
  await begin('conversations')
  await goesOn(id, 1)
  expect(await accepted(id)).not.toContain(digits[1])
})

/** A message that the handler fails on; answers the id of its dead entry. */
async function deadPart(from: string): Promise<string> {
  await system.world.sql(`create or replace function conversations.refuse() returns trigger language plpgsql as $$
      begin if new.text = 'refused' then raise numeric_value_out_of_range; end if; return new; end $$;
    create or replace trigger refuse before insert on conversations.messages for each row execute function conversations.refuse()`)
  await says(from, 'refused')
  return until(async () => {
    const { entries } = await feed.listDead({ lane: 'webhooks.message' }, {})
    return entries.find(({ entry }) => entry?.key === tenant.phoneNumberId)?.entry?.id
  })
}

const deadReason =
  /^Waits because a webhook of \+1 555 \d+ could not be handled \(received .*Z\): a person has to replay or dismiss it$/

test('a reply that could not be handled stops marketing until a person replays it', async () => {
  const { tag, digits } = await people()
  const entryId = await deadPart(digits[2]!)
  const { id } = await system.startCampaign(tenant, tag)
  await untilWaits(id, deadReason)
  expect(await claims(id)).toBe(0)
  await system.world.sql('drop function conversations.refuse cascade')
  expect(await feed.replay({ lane: 'webhooks.message', ids: [entryId] }, {})).toEqual({
    replayed: 1,
  })
  await goesOn(id)
})

test('a reply that could not be handled stops marketing until a person dismisses it', async () => {
  const { tag, digits } = await people()
  const entryId = await deadPart(digits[2]!)
  const { id } = await system.startCampaign(tenant, tag)
  await untilWaits(id, deadReason)
  expect(await feed.dismiss({ lane: 'webhooks.message', ids: [entryId] }, {})).toEqual({
    dismissed: 1,
  })
  await goesOn(id)
  await system.world.sql('drop function conversations.refuse cascade')
})

test('another account’s dead and open webhooks hold nobody else up', async () => {
  const other = tenant
  const { digits } = await people()
  const entryId = await deadPart(digits[2]!)
  tenant = await system.addTenant()
  const { tag } = await people()
  const { id } = await system.startCampaign(tenant, tag)
  await goesOn(id)
  expect(await feed.dismiss({ lane: 'webhooks.message', ids: [entryId] }, {})).toEqual({
    dismissed: 1,
  })
  await system.world.sql('drop function conversations.refuse cascade')
  expect(other.accountId).not.toBe(tenant.accountId)
})

test('while the gateway can not be asked marketing waits, and goes on once it can', async () => {
  const { tag } = await people()
  await stop('webhook-gateway')
  const { id } = await system.startCampaign(tenant, tag)
  await untilWaits(
    id,
    /^Waits because it can't be known whether replies are handled: the webhook gateway can't be asked/,
  )
  expect(await claims(id)).toBe(0)
  await begin('webhook-gateway')
  await goesOn(id)
})

test('a refusal that Meta tells in a status stops marketing until it is handled, and then leaves its person out', async () => {
  const { tag, digits } = await people()
  const first = await system.startCampaign(tenant, tag)
  await goesOn(first.id)
  await system.settled()
  const [attempt] = await system.world.sql<{ id: string; wamid: string }>(
    `select a.id::text, a.wamid from campaigns.attempts a join campaigns.recipients r on r.id = a.recipient_id where a.campaign_id = $1 and r.phone = $2`,
    [first.id, digits[0]],
  )
  await system.world.sql(`create or replace function contacts.refuse() returns trigger language plpgsql as $$
      begin if new.via = 'error_131050' then raise numeric_value_out_of_range; end if; return new; end $$;
    create or replace trigger refuse before insert on contacts.consents for each row execute function contacts.refuse()`)
  await refuses(first.id, attempt!, 131050)
  const refusedAtMs = Date.now()
  const lane = 'webhooks.campaign'
  await until(
    async () =>
      (await feed.listDead({ lane }, {})).entries.some(({ entry }) => entry?.key === first.id),
    60_000,
  )
  const { id } = await system.startCampaign(tenant, tag)
  await untilWaits(
    id,
    new RegExp(
      `^Waits because a webhook of campaign ${first.id} could not be handled \\(received .*Z\\)`,
    ),
  )
  expect(await claims(id)).toBe(0)
  await system.world.sql('drop function contacts.refuse cascade')
  await until(() => Date.now() - refusedAtMs > repliesWithinMs)
  expect(await feed.replay({ lane }, {})).toEqual({ replayed: 1 })
  await goesOn(id, 1)
  expect(await accepted(id)).not.toContain(digits[0])
})

/** Meta says of a message of a campaign that it failed, and why. */
async function refuses(
  campaignId: string,
  { id: attemptId, wamid }: { id: string; wamid: string },
  code: number,
): Promise<void> {
  const { phoneNumberId, wabaId } = tenant
  const token = createTokens(system.world.platformKey).issue({
    kind: 'c',
    ownerId: campaignId,
    attemptId,
    phoneNumberId,
  })
  const timestamp = String(Math.floor(Date.now() / 1000))
  const statuses = [
    {
      id: wamid,
      status: 'failed',
      timestamp,
      biz_opaque_callback_data: token,
      errors: [{ code, title: 'Refused' }],
    },
  ]
  const value = {
    messaging_product: 'whatsapp',
    metadata: { phone_number_id: phoneNumberId },
    statuses,
  }
  const body = {
    object: 'whatsapp_business_account',
    entry: [{ id: wabaId, changes: [{ field: 'messages', value }] }],
  }
  expect(await postWebhook(system.webhookUrl(tenant), tenant.appSecret, JSON.stringify(body))).toBe(
    200,
  )
}

test('in the end no invariant is violated', async () => {
  await system.settled()
  assertClean(await audit({ ...system.audited, settled: true }))
})
