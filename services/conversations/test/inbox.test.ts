import { expect, test } from 'vitest'
import { body, openService, openStack, type Sent } from './setup.ts'

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
  const all = (await service.client.listConversations({ after: '', limit: 0 }, tenant)).conversations
  const paged = []
  for (let after = ''; ; ) {
    const { conversations } = await service.client.listConversations({ after, limit: 3 }, tenant)
    paged.push(...conversations)
    if (conversations.length < 3) break
    after = conversations.at(-1)!.id
  }
  expect(paged).toEqual(all)
  expect(paged).toHaveLength(4)
  expect(paged.map((c) => c.lastMessageAtMs)).toEqual(paged.map((c) => c.lastMessageAtMs).sort((a, b) => b - a))

  const conversationId = all[0]!.id
  const first = (await service.client.listMessages({ conversationId, after: '', limit: 2 }, tenant)).messages
  const second = (await service.client.listMessages({ conversationId, after: first[1]!.id, limit: 2 }, tenant)).messages
  expect([...first, ...second]).toEqual((await service.client.listMessages({ conversationId, after: '', limit: 0 }, tenant)).messages)
  expect(new Set([...first, ...second].map((m) => m.wamid)).size).toBe(3)
})

test('an account sees nothing of another one', async () => {
  await using stack = await openStack()
  await using service = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const other = await stack.tenant('102')
  await stack.deliver(tenant, body('101', { messages: [{ from: '15550001000', wamid: 'wamid.1', at: now, text: 'Secret' }] }))
  await stack.outcomes(1)
  const [conversation] = (await service.client.listConversations({ after: '', limit: 0 }, tenant)).conversations
  expect((await service.client.listConversations({ after: '', limit: 0 }, other)).conversations).toEqual([])
  const listed = service.client.listMessages({ conversationId: conversation!.id, after: '', limit: 0 }, other)
  await expect(listed).rejects.toMatchObject({ failure: 'notFound' })
  const count = { connectionId: tenant.connectionId, sinceMs: 0 }
  expect(await service.client.countInbound(count, other)).toEqual({ messages: 0 })
  expect(await service.client.countInbound(count, tenant)).toEqual({ messages: 1 })
  expect(await service.client.countInbound({ ...count, sinceMs: Date.now() + 1 }, tenant)).toEqual({ messages: 0 })
})
