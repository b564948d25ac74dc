import { query, sql } from '@lockstep/database'
import { openContext } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { countInbound } from '../src/db/message-list.ts'
import { conversationsService } from '../src/service.ts'
import { body, openService, openStack, type Sent, scale } from './setup.ts'

const now = Math.floor(Date.now() / 1000)

test('pages list newest first and hold each row once, also when several are of the same second', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const messages: Sent[] = Array.from({ length: 12 }, (_, i) => ({
    from: `1555000${1000 + (i % 4)}`,
    wamid: `wamid.${i}`,
    at: now - Math.floor(i / 5),
    text: String(i),
  }))
  await stack.deliver(tenant, body('101', { messages }))
  await stack.outcomes(1)
  const all = (await service.client.listConversations({ after: '', limit: 0 }, tenant))
    .conversations
  const paged = []
  for (let after = ''; ; ) {
    const { conversations } = await service.client.listConversations({ after, limit: 3 }, tenant)
    paged.push(...conversations)
    if (conversations.length < 3) break
    after = conversations.at(-1)!.id
  }
  expect(paged).toEqual(all)
  expect(paged).toHaveLength(4)
  expect(paged.map((c) => c.lastMessageAtMs)).toEqual(
    paged.map((c) => c.lastMessageAtMs).sort((a, b) => b - a),
  )

  const conversationId = all[0]!.id
  const first = (await service.client.listMessages({ conversationId, after: '', limit: 2 }, tenant))
    .messages
  const second = (
    await service.client.listMessages({ conversationId, after: first[1]!.id, limit: 2 }, tenant)
  ).messages
  expect([...first, ...second]).toEqual(
    (await service.client.listMessages({ conversationId, after: '', limit: 0 }, tenant)).messages,
  )
  expect(new Set([...first, ...second].map((m) => m.wamid)).size).toBe(3)
})

test('a message is listed with what people did to it; what is about a message that is not here stands by itself', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const [ada, bob] = ['15550001000', '15550001001']
  const about = { reaction: { message_id: 'wamid.file', emoji: '👍' } }
  const image = (caption: string) => ({
    type: 'image',
    image: { id: '7', mime_type: 'image/png', sha256: 'abc=', caption },
  })
  const messages: Sent[] = [
    { from: ada, wamid: 'wamid.file', at: now - 50, node: image('Befor') },
    {
      from: ada,
      wamid: 'wamid.edit',
      at: now - 40,
      node: { type: 'edit', edit: { original_message_id: 'wamid.file', message: image('Before') } },
    },
    { from: ada, wamid: 'wamid.like', at: now - 30, node: { type: 'reaction', ...about } },
    {
      from: bob,
      wamid: 'wamid.wow',
      at: now - 20,
      node: { type: 'reaction', reaction: { message_id: 'wamid.file', emoji: '😮' } },
    },
    {
      from: bob,
      wamid: 'wamid.taken-back',
      at: now - 10,
      node: { type: 'reaction', reaction: { message_id: 'wamid.file' } },
    },
    {
      from: ada,
      wamid: 'wamid.campaign',
      at: now - 5,
      node: { type: 'reaction', reaction: { message_id: 'wamid.elsewhere', emoji: '🎉' } },
    },
  ]
  await stack.deliver(tenant, body('101', { messages }))
  await stack.outcomes(1)
  const { conversations } = await service.client.listConversations({ after: '', limit: 0 }, tenant)
  const adas = conversations.find(({ unread }) => unread === 1)!
  const listed = (
    await service.client.listMessages({ conversationId: adas.id, after: '', limit: 0 }, tenant)
  ).messages
  expect(listed).toMatchObject([
    {
      wamid: 'wamid.campaign',
      text: '🎉',
      targetWamid: 'wamid.elsewhere',
      media: undefined,
      reactions: [],
    },
    {
      wamid: 'wamid.file',
      text: 'Before',
      originalText: 'Befor',
      editedAtMs: (now - 40) * 1000,
      revokedAtMs: undefined,
      media: {
        id: '7',
        mimeType: 'image/png',
        sha256: 'abc=',
        caption: 'Before',
        filename: '',
        voice: false,
      },
      reactions: [{ emoji: '👍', atMs: (now - 30) * 1000 }],
    },
  ])
  expect(
    await service.client.countInbound({ connectionId: tenant.connectionId, sinceMs: 0 }, tenant),
  ).toEqual({ messages: 1 })
})

test('the conversations of one person become one, and the former id leads to it', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const [number, userId] = ['15550001000', 'DE.ada']
  const list = async () =>
    (await service.client.listConversations({ after: '', limit: 0 }, tenant)).conversations
  const react = { type: 'reaction', reaction: { message_id: 'wamid.ours', emoji: '👍' } }
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: number, wamid: 'wamid.1', at: now - 30, text: 'One' }] }),
  )
  await stack.outcomes(1)
  const messages: Sent[] = [
    { from: userId, wamid: 'wamid.2', at: now - 20, text: 'Two' },
    { from: userId, wamid: 'wamid.3', at: now - 10, node: react },
  ]
  await stack.deliver(tenant, body('101', { messages }))
  await stack.outcomes(2)
  const before = await list()
  expect(before).toHaveLength(2)
  const both = { type: 'text', from_user_id: userId, text: { body: 'Both' } }
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: number, wamid: 'wamid.4', at: now - 5, node: both }] }),
  )
  await stack.outcomes(3)
  const after = await list()
  expect(after).toMatchObject([{ unread: 3, lastText: 'Both', lastMessageAtMs: (now - 5) * 1000 }])
  for (const { id } of before) {
    const page = await service.client.listMessages(
      { conversationId: id, after: '', limit: 0 },
      tenant,
    )
    expect(page.messages.map(({ wamid }) => wamid)).toEqual([
      'wamid.4',
      'wamid.3',
      'wamid.2',
      'wamid.1',
    ])
  }
  expect(await stack.world.sql('select conversation_id from conversations.reactions')).toEqual([
    { conversation_id: after[0]!.id },
  ])
})

test('a list goes on after a conversation whose messages went into another in the meantime', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const [number, userId] = ['15550001000', 'DE.ada']
  const page = async (after: string, limit: number) =>
    (await service.client.listConversations({ after, limit }, tenant)).conversations
  const messages: Sent[] = [
    { from: '15550001009', wamid: 'wamid.1', at: now - 40, text: 'Oldest' },
    { from: number, wamid: 'wamid.2', at: now - 30, text: 'Two' },
    { from: userId, wamid: 'wamid.3', at: now - 20, text: 'Three' },
  ]
  await stack.deliver(tenant, body('101', { messages }))
  await stack.outcomes(1)
  const [first] = await page('', 2)
  const second = (await page('', 2))[1]!
  const both = { type: 'text', from_user_id: userId, text: { body: 'Both' } }
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: number, wamid: 'wamid.4', at: now - 5, node: both }] }),
  )
  await stack.outcomes(2)
  const lists = await Promise.all([first!, second].map(({ id }) => page(id, 0)))
  for (const list of lists) expect(list.at(-1)).toMatchObject({ lastText: 'Oldest' })
})

test('to count all messages of a number reads none of them', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  await stack.world.sql(
    `with c as (insert into conversations.conversations (id, account_id, connection_id, contact_id)
        values (gen_random_uuid(), $1, $2, gen_random_uuid()) returning *)
      insert into conversations.messages (account_id, conversation_id, connection_id, wamid, direction, type, text, at, payload, received_at)
      select account_id, id, connection_id, 'wamid.' || n, 'in', 'text', 'Hello', now(), jsonb_build_object('text', repeat('x', 1000)), now() from c, generate_series(1, 5000) n`,
    [tenant.accountId, tenant.connectionId],
  )
  // Pages count as seen by all once no transaction is left that is older than they are.
  const allVisible = `select relallvisible >= relpages as yes from pg_class where oid = 'conversations.messages'::regclass`
  await until(async () => {
    await stack.world.sql('vacuum analyze conversations.messages')
    return (await stack.world.sql<{ yes: boolean }>(allVisible))[0]!.yes
  })
  await using ctx = await openContext<Context>(conversationsService, stack.config, { scale })
  const read = sql`select pg_stat_get_xact_tuples_fetched('messages'::regclass) + pg_stat_get_xact_tuples_returned('messages'::regclass) as rows`
  const [counted, rows] = await ctx.db.transaction(tenant.accountId, async (tx) => [
    await countInbound(tx, tenant.connectionId, new Date(0)),
    await query<{ rows: string }>(tx, read),
  ])
  expect(counted).toBe(5_000)
  expect(rows).toEqual([{ rows: '0' }])
})

test('an account sees nothing of another one', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const other = await stack.tenant('102')
  await stack.deliver(
    tenant,
    body('101', { messages: [{ from: '15550001000', wamid: 'wamid.1', at: now, text: 'Secret' }] }),
  )
  await stack.outcomes(1)
  const [conversation] = (await service.client.listConversations({ after: '', limit: 0 }, tenant))
    .conversations
  expect(
    (await service.client.listConversations({ after: '', limit: 0 }, other)).conversations,
  ).toEqual([])
  const listed = service.client.listMessages(
    { conversationId: conversation!.id, after: '', limit: 0 },
    other,
  )
  await expect(listed).rejects.toMatchObject({ failure: 'not_found' })
  const count = { connectionId: tenant.connectionId, sinceMs: 0 }
  expect(await service.client.countInbound(count, other)).toEqual({ messages: 0 })
  expect(await service.client.countInbound(count, tenant)).toEqual({ messages: 1 })
  expect(await service.client.countInbound({ ...count, sinceMs: Date.now() + 1 }, tenant)).toEqual({
    messages: 0,
  })
})
