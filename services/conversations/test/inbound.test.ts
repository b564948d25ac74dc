import { withClient } from '@lockstep/database'
import { createLocks } from '@lockstep/locks'
import { openContext } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { webhookMessage } from '../src/lanes/webhook-message.ts'
import { conversationsService } from '../src/service.ts'
import { body, entry, openService, openStack, type Sent, scale } from './setup.ts'

const day = 24 * 3_600_000
const now = Math.floor(Date.now() / 1000)

/** Some people's messages: every second counts, and some are written in the same one. */
const crowd: Sent[] = Array.from({ length: 40 }, (_, i) => ({
  from: `1555000${1000 + (i % 5)}`,
  wamid: `wamid.${String((i * 7) % 40).padStart(2, '0')}`,
  at: now - 3_600 + Math.floor(i / 10),
  text: `message ${i}`,
}))

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

function inGroups<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  )
}

test('messages that are delivered three times over, in any order, to two workers are stored and counted once', async () => {
  await using stack = await openStack()
  await using one = await openService(stack.config)
  await using _two = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const bodies = [1, 2, 3].flatMap((size) =>
    inGroups(shuffled(crowd), size).map((messages) => body('101', { messages })),
  )
  await Promise.all(shuffled(bodies).map((raw) => stack.deliver(tenant, raw)))
  expect(await stack.outcomes(bodies.length)).toEqual({ done: bodies.length })

  const { conversations } = await one.client.listConversations({ after: '', limit: 0 }, tenant)
  expect(conversations).toHaveLength(5)
  for (const conversation of conversations) {
    const contact = await stack.contacts.getContact({ id: conversation.contactId }, tenant)
    const theirs = crowd.filter(({ from }) => from === contact.phone)
    expect(conversation).toMatchObject({
      unread: 8,
      windowUntilMs: Math.max(...theirs.map(({ at }) => at)) * 1000 + day,
    })
    const { messages } = await one.client.listMessages(
      { conversationId: conversation.id, after: '', limit: 0 },
      tenant,
    )
    expect(messages.map(({ wamid }) => wamid).sort()).toEqual(
      theirs.map(({ wamid }) => wamid).sort(),
    )
    expect(messages[0]).toMatchObject({
      direction: 'in',
      text: conversation.lastText,
      atMs: conversation.lastMessageAtMs,
    })
  }
  const count = { connectionId: tenant.connectionId, sinceMs: 0 }
  expect(await one.client.countInbound(count, tenant)).toEqual({ messages: 40 })
})

test('without lanes and locks the rows alone give the same result for every order, grouping and repetition', async () => {
  await using stack = await openStack()
  await stack.world.redis.kill()
  const owner = await stack.account()
  await using ctx = await openContext<Context>(conversationsService, stack.config, { scale })
  const results: Record<string, unknown>[][] = []
  for (const phoneNumberId of ['101', '102', '103']) {
    const { connectionId, appId } = await stack.connectNumber(owner, phoneNumberId)
    const batch = () =>
      inGroups(shuffled(crowd), 1 + Math.floor(Math.random() * 9)).map((messages) =>
        entry(body(phoneNumberId, { messages }), appId, Date.now(), phoneNumberId),
      )
    await Promise.all(
      [batch(), batch(), batch(), batch()].map((entries) => webhookMessage(ctx, entries, held)),
    )
    const columns =
      'c.contact_id, c.unread, c.last_text, c.last_message_at, c.window_until, m.wamid, m.text, m.at'
    const from =
      'conversations.messages m join conversations.conversations c on c.id = m.conversation_id'
    results.push(
      await stack.world.sql(
        `select ${columns} from ${from} where m.connection_id = $1 order by m.wamid`,
        [connectionId],
      ),
    )
  }
  expect(results[0]).toHaveLength(40)
  expect(results[0]).toEqual(results[0]!.map(() => expect.objectContaining({ unread: 8 })))
  expect(results[1]).toEqual(results[0])
  expect(results[2]).toEqual(results[0])
})

const held = { signal: new AbortController().signal, isHeld: () => true }

test('the window counts from the time of the message, and neither a late message nor news of the system moves it', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const from = '15550001000'
  const conversation = async () =>
    (await service.client.listConversations({ after: '', limit: 1 }, tenant)).conversations[0]
  const tenHoursAgo = now - 36_000
  const send = async (message: Omit<Sent, 'from'>, parts: number) => {
    await stack.deliver(tenant, body('101', { messages: [{ from, ...message }] }))
    await stack.outcomes(parts)
  }
  await send(
    {
      wamid: 'wamid.system',
      at: now - 90_000,
      node: { type: 'system', system: { body: 'A changed their number' } },
    },
    1,
  )
  expect(await conversation()).toMatchObject({
    windowUntilMs: undefined,
    unread: 0,
    lastText: 'A changed their number',
  })
  await send({ wamid: 'wamid.text', at: tenHoursAgo, text: 'Hello' }, 2)
  expect(await conversation()).toMatchObject({
    windowUntilMs: tenHoursAgo * 1000 + day,
    unread: 1,
    lastText: 'Hello',
  })
  await send({ wamid: 'wamid.late', at: tenHoursAgo - 60, text: 'Written before' }, 3)
  const expected = {
    windowUntilMs: tenHoursAgo * 1000 + day,
    unread: 2,
    lastText: 'Hello',
    lastMessageAtMs: tenHoursAgo * 1000,
  }
  expect(await conversation()).toMatchObject(expected)
})

test('parts of a number that nobody has, and those that another app signed, are no_connection and leave no row', async () => {
  await using stack = await openStack()
  await using _service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const stranger = await stack.account()
  const messages = [{ from: '15550001000', wamid: 'wamid.1', at: now, text: 'Hello' }]
  await stack.deliver(tenant, body('999', { messages }))
  await stack.deliver(stranger, body('101', { messages }))
  expect(await stack.outcomes(2)).toEqual({ no_connection: 2 })
  expect(await stack.world.sql('select from conversations.messages')).toEqual([])
  expect(await stack.world.sql('select from conversations.conversations')).toEqual([])
})

test('parts of one batch go to the account that had the number when each was received', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const first = await stack.tenant('101')
  const { connectedAtMs: before, disconnectedAtMs: between } = await stack.accounts.disconnect(
    { id: first.connectionId },
    first,
  )
  await until(() => Date.now() > between! + 5)
  const second = await stack.tenant('101')
  const { connectedAtMs: after } = await stack.accounts.getConnection(
    { id: second.connectionId },
    second,
  )
  const raw = (wamid: string) =>
    body('101', { messages: [{ from: '15550001000', wamid, at: now, text: wamid }] })
  await using ctx = await openContext<Context>(conversationsService, stack.config, { scale })
  const entries = [
    entry(raw('wamid.first'), first.appId, before),
    entry(raw('wamid.nobody'), first.appId, between!),
    entry(raw('wamid.late'), first.appId, after),
    entry(raw('wamid.second'), second.appId, after),
  ]
  const results = new Map(
    (await webhookMessage(ctx, entries, held)).map((v) => [v.id, 'outcome' in v && v.outcome]),
  )
  expect(entries.map(({ id }) => results.get(id))).toEqual([
    'done',
    'no_connection',
    'wrong_app',
    'done',
  ])
  const stored = await stack.world.sql(
    'select wamid, account_id from conversations.messages order by wamid',
  )
  expect(stored).toEqual([
    { wamid: 'wamid.first', account_id: first.accountId },
    { wamid: 'wamid.second', account_id: second.accountId },
  ])
  const { conversations } = await service.client.listConversations({ after: '', limit: 0 }, first)
  expect(conversations).toMatchObject([{ unread: 1, lastText: 'wamid.first' }])
})

test('what arrives while Redis is down is stored all the same', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await stack.world.redis.kill()
  await stack.deliver(tenant, body('101', { messages: crowd.slice(0, 5) }))
  expect(await stack.outcomes(1)).toEqual({ done: 1 })
  expect(
    (await service.client.listConversations({ after: '', limit: 0 }, tenant)).conversations,
  ).toHaveLength(5)
})

test('a batch waits while another worker holds one of its messages, and is stored afterwards', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await using locks = await createLocks({
    redis: stack.world.redis.url,
    instanceId: 'another',
    scale,
  })
  const lock = await until(() => locks.hold('webhook_message', 'wamid.1').catch(() => undefined))
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: '15550001000', wamid: 'wamid.1', at: now, text: 'Hello' }] }),
  )
  await until(async () =>
    /lockstep_lane_held_back_total{.*webhooks.message.*} [1-9]/.test(await service.metrics()),
  )
  expect(await stack.world.sql('select from conversations.messages')).toEqual([])
  await lock.release()
  expect(await stack.outcomes(1)).toEqual({ done: 1 })
  expect(await stack.world.sql('select wamid from conversations.messages')).toEqual([
    { wamid: 'wamid.1' },
  ])
})

test('a stop word and a choice made inside WhatsApp reach the contact with the message', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: '15550001000', wamid: 'wamid.1', at: now, text: 'STOP' }] }),
  )
  const chosen = {
    wa_id: '15550001001',
    value: 'stop',
    category: 'marketing_messages',
    detail: 'x',
    timestamp: now,
  }
  await stack.deliver(tenant, body('101', { user_preferences: [chosen] }))
  expect(await stack.outcomes(2)).toEqual({ done: 2 })
  const { contacts } = await stack.contacts.listContacts({ tag: '', after: '', limit: 0 }, tenant)
  expect(contacts.map(({ phone, optedOut }) => [phone, optedOut]).sort()).toEqual([
    ['15550001000', true],
    ['15550001001', true],
  ])
  // The choice is no message: it opens no conversation.
  expect(
    (await service.client.listConversations({ after: '', limit: 0 }, tenant)).conversations,
  ).toHaveLength(1)
})

test('a long text that ends inside an emoji, and people whose ids are blanks, cost their neighbours nothing', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const blank = { type: 'text', from_user_id: ' ', text: { body: 'x' } }
  const messages: Sent[] = [
    {
      from: '15550001000',
      wamid: 'wamid.1',
      at: now,
      text: `${'x'.repeat(999)}😀${'x'.repeat(3_000)}`,
    },
    { from: '', wamid: 'wamid.2', at: now, node: blank },
    {
      from: ' 15550001001 ',
      wamid: 'wamid.3',
      at: now,
      node: { ...blank, from_user_id: 'DE.ada ' },
    },
  ]
  await stack.deliver(tenant, body('101', { messages }))
  const moved = {
    wa_id: '15550001002',
    user_id: { previous: ' ', current: 'DE.bob' },
    timestamp: String(now),
  }
  await stack.deliver(tenant, body('101', { user_id_update: [moved] }))
  expect(await stack.outcomes(2)).toEqual({ done: 2 })
  const { conversations } = await service.client.listConversations({ after: '', limit: 0 }, tenant)
  expect(conversations.map(({ lastText }) => lastText).sort()).toEqual([
    'x',
    `${'x'.repeat(999)}😀…`,
  ])
})

test('stop is heard in an edit and in a row of a list, and from a person who is named by a user id alone', async () => {
  await using stack = await openStack()
  await using _service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const edit = { original_message_id: 'wamid.0', message: { type: 'text', text: { body: 'STOP' } } }
  const messages: Sent[] = [
    { from: '15550001000', wamid: 'wamid.1', at: now, node: { type: 'edit', edit } },
    {
      from: '15550001001',
      wamid: 'wamid.2',
      at: now,
      node: { type: 'interactive', interactive: { list_reply: { id: '1', title: 'Stop' } } },
    },
  ]
  await stack.deliver(tenant, body('101', { messages }))
  const chosen = {
    wa_id: 'DE.ada',
    value: 'stop',
    category: 'marketing_messages',
    detail: 'x',
    timestamp: now,
  }
  await stack.deliver(tenant, body('101', { user_preferences: [chosen] }))
  expect(await stack.outcomes(2)).toEqual({ done: 2 })
  const { contacts } = await stack.contacts.listContacts({ tag: '', after: '', limit: 0 }, tenant)
  expect(contacts.map(({ phone, optedOut }) => [phone, optedOut]).sort()).toEqual([
    ['', true],
    ['15550001000', true],
    ['15550001001', true],
  ])
})

test('elements without effect are counted and noted on their part, also on one that is done', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const text = { type: 'text', text: { body: 'x' } }
  const messages = [
    { from: '15550001000', wamid: 'wamid.1', at: now, text: 'Hello' },
    { from: 'nobody', wamid: 'wamid.2', at: now, text: 'x' },
    { from: '15550001000', wamid: '', at: now, node: text },
  ]
  const statuses = ['delivered', 'read', 'warped'].map((status) => ({
    id: 'wamid.theirs',
    status,
    timestamp: String(now),
  }))
  await stack.deliver(tenant, body('101', { messages, statuses }))
  expect(await stack.outcomes(1)).toEqual({ done: 1 })
  const { parts } = await stack.gateway.listParts({ outcome: 'done', limit: 1 }, {})
  expect(parts[0]!.reason).toMatch(
    /1 without a sender.*; 1 without an id.*; 1 that nobody acts on.*; 2 about messages that were not sent/,
  )
  const metrics = await service.metrics()
  for (const [reason, count] of Object.entries({
    no_sender: 1,
    unreadable: 1,
    unknown: 1,
    no_match: 2,
  }))
    expect(metrics).toMatch(
      new RegExp(
        `lockstep_webhook_elements_without_effect_total{[^}]*reason="${reason}"[^}]*} ${count}\\b`,
      ),
    )
})

test('a message with U+0000 is stored without it, and one without a readable sender costs its neighbours nothing', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const [from, at] = ['15550001000', now]
  const good: Sent = { from, wamid: 'wamid.1', at, text: 'a\u0000b \ud800' }
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: 'nobody', wamid: 'wamid.2', at, text: 'x' }, good] }),
  )
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: 'nobody', wamid: 'wamid.3', at, text: 'x' }] }),
  )
  expect(await stack.outcomes(2)).toEqual({ done: 1, no_match: 1 })
  const { conversations } = await service.client.listConversations({ after: '', limit: 0 }, tenant)
  expect(conversations).toMatchObject([{ lastText: 'ab \ufffd', unread: 1 }])
})

test('a status without a token is handed to the campaign that sent the message, or is no_match', async () => {
  await using stack = await openStack()
  await using _service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const campaign = '01990000-0000-7000-8000-000000000001'
  await stack.world.sql(`with c as (
      insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
      values ('${campaign}', '${tenant.accountId}', 'C', '${tenant.connectionId}', '101', gen_random_uuid(), gen_random_uuid(), '{}', '{}', 'sending', now())
      returning id, account_id
    ), s as (
      insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, accepted) select id, account_id, 1, 1 from c
    ), r as (
      insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempt_id, attempts)
      select account_id, id, gen_random_uuid(), gen_random_uuid(), '15550001000', '', '{}', 'accepted', 1, 1 from c
      returning id, account_id, campaign_id
    ) insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, accepted_at)
      select account_id, campaign_id, id, 1, 'accepted', 1, 'wamid.ours', now() from r`)
  const status = (id: string) => ({
    id,
    status: 'delivered',
    timestamp: String(now),
    recipient_id: '15550001000',
  })
  await stack.deliver(
    tenant,
    body('101', { statuses: [status('wamid.ours'), status('wamid.theirs')] }),
  )
  await stack.deliver(tenant, body('101', { statuses: [status('wamid.theirs')] }))
  expect(await stack.outcomes(2)).toEqual({ done: 1, no_match: 1 })
  const [attempt] = await stack.world.sql<{ delivered_at: Date }>(
    'select delivered_at from campaigns.attempts',
  )
  expect(attempt?.delivered_at).toEqual(new Date(now * 1000))
})

/** A message of a campaign, written by `sql`. */
const sentByCampaign = (
  tenant: { accountId: string; connectionId: string },
  wamid: string,
) => `with c as (
    insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
    values (gen_random_uuid(), '${tenant.accountId}', 'C', '${tenant.connectionId}', '101', gen_random_uuid(), gen_random_uuid(), '{}', '{}', 'sending', now())
    returning id, account_id
  ), s as (
    insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, accepted) select id, account_id, 1, 1 from c
  ), r as (
    insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempt_id, attempts)
    select account_id, id, gen_random_uuid(), gen_random_uuid(), '15550001000', '', '{}', 'accepted', 1, 1 from c
    returning id, account_id, campaign_id
  ) insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, accepted_at)
    select account_id, campaign_id, id, 1, 'accepted', 1, '${wamid}', now() from r`
const status = (id: string, more: object = {}) => ({
  id,
  status: 'delivered',
  timestamp: String(now),
  recipient_id: '15550001000',
  ...more,
})
const putOff =
  "select from webhook_gateway.feed_open where lane = 'webhooks.message' and not_before is not null"

test('a status that is faster than the commit of its message comes again, and has its effect', async () => {
  await using stack = await openStack()
  await using _service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await withClient(stack.world.adminUrl, async (client) => {
    await client.query('begin')
    await client.query(sentByCampaign(tenant, 'wamid.fast'))
    await stack.deliver(tenant, body('101', { statuses: [status('wamid.fast')] }))
    await until(async () => (await stack.world.sql(putOff)).length === 1)
    await client.query('commit')
  })
  expect(await stack.outcomes(1)).toEqual({ done: 1 })
  const [attempt] = await stack.world.sql<{ delivered_at: Date }>(
    'select delivered_at from campaigns.attempts',
  )
  expect(attempt?.delivered_at).toEqual(new Date(now * 1000))
})

test('a status that matches nothing is no_match after its minute, and holds up nobody until then', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await stack.deliver(tenant, body('101', { statuses: [status('wamid.theirs')] }))
  await until(async () => (await stack.world.sql(putOff)).length === 1)
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: '15550001000', wamid: 'wamid.1', at: now, text: 'Hello' }] }),
  )
  await until(
    async () =>
      (await service.client.listConversations({ after: '', limit: 0 }, tenant)).conversations
        .length === 1,
  )
  expect(await stack.world.sql(putOff)).toHaveLength(1)
  expect(await stack.outcomes(2)).toEqual({ done: 1, no_match: 1 })
  const [part] = await stack.world.sql<{ ms: number }>(
    `select (extract(epoch from clock_timestamp() - min(received_at)) * 1000)::float8 as ms from webhook_gateway.webhook_parts`,
  )
  expect(part!.ms).toBeGreaterThanOrEqual(60_000 * scale)
  expect(await service.metrics()).toMatch(
    /lockstep_webhook_elements_without_effect_total{[^}]*reason="no_match"[^}]*} 1\b/,
  )
})

test("a refusal in a status that is no campaign's is in the ledger at once, for a recipient that is known", async () => {
  await using stack = await openStack()
  await using _service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: '15550001000', wamid: 'wamid.1', at: now, text: 'Hello' }] }),
  )
  await stack.outcomes(1)
  const { contacts } = await stack.contacts.listContacts({ tag: '', after: '', limit: 10 }, tenant)
  const errors = [{ code: 131000 }, { code: 131050 }]
  const failed = { status: 'failed', errors }
  await stack.deliver(
    tenant,
    body('101', {
      statuses: [
        status('wamid.reply', failed),
        status('wamid.x', { ...failed, recipient_id: '15550009999' }),
      ],
    }),
  )
  await until(async () => (await stack.world.sql(putOff)).length === 1)
  const check = { contactIds: [contacts[0]!.id], category: 'MARKETING' }
  expect((await stack.contacts.checkSendable(check, tenant)).results[0]!.refusal).toBe('opted_out')
  expect(
    (await stack.contacts.listContacts({ tag: '', after: '', limit: 10 }, tenant)).contacts,
  ).toHaveLength(1)
})
