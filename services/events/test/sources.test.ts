import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

const up = new AsyncDisposableStack()
let system: TestSystem
let tenant: Tenant

beforeAll(async () => {
  system = up.use(await startSystem({ scale: 0.2 }))
  tenant = await system.addTenant()
})
afterAll(() => up.disposeAsync())

const read = async (topic: string, of: Tenant = tenant) => {
  const request = { topics: [topic], limit: 500 }
  const { events } = await system.clients.events.listEvents(request, of)
  return events.map(({ kind, subjectId, bodyJson }) => {
    return { kind, subjectId, body: JSON.parse(bodyJson) }
  })
}

test('a number that is connected, and its templates, are told', async () => {
  const connected = await until(async () => (await read('connections'))[0])
  const body = { connected: true, health: 'ok', reason: '' }
  expect(connected).toEqual({ kind: 'connection.health', subjectId: tenant.connectionId, body })
  const templates = await until(async () => {
    const told = await read('templates')
    return told.length > 0 && told
  })
  const { templates: rows } = await system.clients.templates.listTemplates({}, tenant)
  const statuses = rows.map(({ id, status }) => [id, status])
  expect(templates.map(({ subjectId, body }) => [subjectId, body.status]).toSorted()).toEqual(
    statuses.toSorted(),
  )
})

test('an import and a campaign are told from their beginning to their end, with the counts that their rows have', async () => {
  const { id: importId } = await system.importContacts(tenant, phones(40))
  const imports = await until(async () => {
    const told = await read('imports')
    return told.at(-1)?.body.state === 'done' && told
  })
  expect([...new Set(imports.map(({ subjectId }) => subjectId))]).toEqual([importId])
  expect(imports.map(({ body }) => body.state)).toEqual(['queued', 'running', 'done'])
  expect(imports.at(-1)!.body).toMatchObject({ rows: 40, created: 40, rejected: 0 })

  const { id } = await system.startCampaign(tenant)
  await system.untilCampaign(tenant, id, 'completed')
  await system.settled()
  const { statistics } = await system.campaign(tenant, id)
  const told = await until(async () => {
    const events = await read('campaigns')
    const last = events.findLast(({ kind }) => kind === 'campaign.progress')
    expect(last?.body.statistics).toEqual(statistics)
    return events
  })
  const states = told.filter(({ kind }) => kind === 'campaign.state')
  expect(states.map(({ body }) => body.state)).toEqual([
    'draft',
    'preparing',
    'sending',
    'completed',
  ])
  expect(told.every(({ subjectId }) => subjectId === id)).toBe(true)
  // 40 messages change the statistics more than 100 times.
  expect(told.length - states.length).toBeLessThan(20)
})

test('messages are told with the ids by which they are read, and to no other account', async () => {
  const other = await system.addTenant()
  const from = phones(3).map((phone) => phone.slice(1))
  const { phoneNumberId, connectionId } = tenant
  for (const each of from)
    await system.simulator.client.inbound({ phoneNumberId, from: each, text: 'Hello' })
  await system.settled()
  const { conversations } = await system.clients.conversations.listConversations({}, tenant)
  expect(conversations).toHaveLength(3)
  const lists = conversations.map(async ({ id }) => {
    const { messages } = await system.clients.conversations.listMessages(
      { conversationId: id },
      tenant,
    )
    return messages.map((message) => ({ id: message.id, conversation_id: id }))
  })
  const stored = (await Promise.all(lists)).flat()
  const told = await until(async () => {
    const events = await read('conversations')
    const messages = events.flatMap(({ body }) => body.messages)
    return messages.length === 3 && { events, messages }
  })
  expect(told.messages.toSorted(byId)).toEqual(stored.toSorted(byId))
  expect(new Set(told.events.map(({ subjectId }) => subjectId))).toEqual(new Set([connectionId]))
  expect(await read('conversations', other)).toEqual([])
})

const byId = (a: { id: string }, b: { id: string }) => Number(a.id) - Number(b.id)
