import { afterAll, beforeAll, expect, test } from 'vitest'
import { phones, startStack, type Tenant, type TestStack } from './stack.ts'

const stack = new AsyncDisposableStack()
let system: TestStack
let tenant: Tenant

beforeAll(async () => {
  system = stack.use(await startStack())
  tenant = await system.addTenant()
  await system.importContacts(tenant, phones(200))
})
afterAll(() => stack.disposeAsync())

test('a campaign goes out once to each recipient, and its statuses come back', async () => {
  const { id } = await system.startCampaign(tenant)
  await system.untilCampaign(tenant, id, 'completed')
  await system.settled()
  const accepted = await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })
  expect(accepted).toHaveLength(200)
  expect(new Set(accepted.map((post) => post.recipient)).size).toBe(200)
  const { statistics } = await system.campaign(tenant, id)
  expect(statistics).toMatchObject({ recipients: 200, accepted: 200, sent: 200, delivered: 200, failed: 0, unknown: 0, queued: 0, sending: 0 })
  expect(statistics!.read).toBeGreaterThan(0)
})
