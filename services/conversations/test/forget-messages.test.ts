import { openContext } from '@lockstep/service'
import { expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { forgetMessagePage, forgetMessages } from '../src/jobs/forget-messages.ts'
import { conversationsService } from '../src/service.ts'
import { body, openService, openStack, type Sent, scale } from './setup.ts'

const now = Math.floor(Date.now() / 1000)
const days = (count: number) => count * 86_400
const [ada, bob] = ['15550001000', '15550001001']
type Stack = Awaited<ReturnType<typeof openStack>>

/** Makes messages older: received when they say they were written. */
const age = ({ world }: Stack) => world.sql('update conversations.messages set received_at = at')

/** How many messages each conversation has that wait to be read, as its rows say and as it was counted. */
const counts = ({ world }: Stack) =>
  world.sql<{ unread: number; rows: number }>(
    `select c.unread, count(m.id) filter (where m.type not in ('reaction', 'edit', 'revoke', 'system', 'request_welcome'))::int as rows
     from conversations.conversations c left join conversations.messages m on m.conversation_id = c.id where c.merged_into is null group by c.id`,
  )

test('messages go once they are older than they are kept; their conversations stay, with their contact, their place and right counts', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const other = await stack.tenant('102')
  const reaction = { type: 'reaction', reaction: { message_id: 'wamid.1', emoji: '👍' } }
  const messages: Sent[] = [
    { from: ada, wamid: 'wamid.1', at: now - days(402), text: 'Old' },
    { from: ada, wamid: 'wamid.2', at: now - days(401), node: reaction },
    { from: ada, wamid: 'wamid.3', at: now - days(399), text: 'Young' },
    { from: bob, wamid: 'wamid.4', at: now - days(401), text: 'Only' },
  ]
  await stack.deliver(tenant, body('101', { messages }))
  await stack.deliver(
    other,
    body('102', {
      messages: [{ from: ada, wamid: 'wamid.5', at: now - days(500), text: 'Secret' }],
    }),
  )
  await stack.outcomes(2)
  await age(stack)
  const list = async (of = tenant) => (await service.client.listConversations({}, of)).conversations
  const texts = async (conversationId: string) =>
    (await service.client.listMessages({ conversationId }, tenant)).messages.map(({ text }) => text)
  const before = await list()
  expect(before.map(({ unread }) => unread)).toEqual([2, 1])

  await using ctx = await openContext<Context>(conversationsService, stack.config, { scale })
  await forgetMessages(ctx)
  const [withAda, withBob] = await list()
  expect(withAda).toEqual({ ...before[0], unread: 1, lastText: 'Young' })
  expect(withBob).toEqual({ ...before[1], unread: 0, lastText: '' })
  expect([await texts(withAda!.id), await texts(withBob!.id)]).toEqual([['Young'], []])
  expect(await list(other)).toMatchObject([{ unread: 0, lastText: '' }])
  expect(await stack.world.sql('select from conversations.reactions')).toEqual([])
  expect(
    await service.client.countInbound({ connectionId: tenant.connectionId, sinceMs: 0 }, tenant),
  ).toEqual({ messages: 1 })

  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: bob, wamid: 'wamid.6', at: now, text: 'Again' }] }),
  )
  await stack.outcomes(3)
  expect((await list())[0]).toMatchObject({ id: withBob!.id, unread: 1, lastText: 'Again' })
})

test('counts stay right while messages come and two processes take old ones away', async () => {
  await using stack = await openStack()
  await using _service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const from = (i: number) => `155500010${10 + (i % 20)}`
  const some = (of: string, count: number, at: number): Sent[] =>
    Array.from({ length: count }, (_, i) => ({
      from: from(i),
      wamid: `wamid.${of}.${i}`,
      at: at + i,
      text: `${of} ${i}`,
    }))
  await stack.deliver(tenant, body('101', { messages: some('old', 400, now - days(450)) }))
  await stack.outcomes(1)
  await age(stack)

  await using one = await openContext<Context>(conversationsService, stack.config, { scale })
  await using two = await openContext<Context>(conversationsService, stack.config, { scale })
  const before = new Date(Date.now() - days(400) * 1000)
  const forgetting = [one, two].map(async ({ db }) => {
    for (let more = true; more; ) more = (await forgetMessagePage(db, before, 40)).more
  })
  const coming = Array.from({ length: 10 }, (_, i) =>
    stack.deliver(tenant, body('101', { messages: some(`new${i}`, 40, now - 1_000 + i * 40) })),
  )
  await Promise.all([...forgetting, ...coming])
  await stack.outcomes(11)
  await forgetMessages(one)
  const all = await counts(stack)
  expect(all).toEqual(Array(20).fill({ unread: 20, rows: 20 }))
})

test('a conversation without messages that goes into that of the same person keeps its place for both', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const userId = 'DE.1234567890'
  const list = async () => (await service.client.listConversations({}, tenant)).conversations
  await stack.deliver(
    tenant,
    body('101', {
      messages: [{ from: userId, wamid: 'wamid.1', at: now - days(401), text: 'By id' }],
    }),
  )
  await stack.outcomes(1)
  await stack.deliver(
    tenant,
    body('101', {
      messages: [{ from: ada, wamid: 'wamid.2', at: now - days(402), text: 'By number' }],
    }),
  )
  await stack.outcomes(2)
  await age(stack)
  await using ctx = await openContext<Context>(conversationsService, stack.config, { scale })
  await forgetMessages(ctx)
  const places = (await list()).map(({ lastMessageAtMs }) => lastMessageAtMs)
  expect(places).toEqual([(now - days(401)) * 1000, (now - days(402)) * 1000])

  // Both turn out to be one by a preference, which is no message.
  const preference = {
    wa_id: ada,
    user_id: userId,
    category: 'marketing_messages',
    value: 'stop',
    timestamp: String(now),
  }
  await stack.deliver(tenant, body('101', { user_preferences: [preference] }))
  await stack.outcomes(3)
  expect(
    (await list()).map(({ lastMessageAtMs, unread, lastText }) => ({
      lastMessageAtMs,
      unread,
      lastText,
    })),
  ).toEqual([{ lastMessageAtMs: places[0], unread: 0, lastText: '' }])
})
