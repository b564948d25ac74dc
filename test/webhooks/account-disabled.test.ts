import { expect, test } from 'vitest'
import { phones, startStack, type Tenant, type TestStack } from '../stack.ts'
import { postWebhook } from '../webhook.ts'

test('a campaign of a disabled account pauses with the words of Meta, and goes on once the account is reinstated', async () => {
  await using stack = await startStack()
  const tenant = await stack.addTenant()
  await stack.importContacts(tenant, phones(20))
  await deliver(stack, tenant, 'DISABLE')
  const { id } = await stack.startCampaign(tenant)
  const paused = await stack.untilCampaign(tenant, id, 'paused')
  expect(paused).toMatchObject({ reason: expect.stringMatching(/^Meta has disabled this WhatsApp Business account \(May 1\)/) })
  expect(paused.statistics).toMatchObject({ recipients: 20, queued: 20, accepted: 0 })
  await deliver(stack, tenant, 'REINSTATE')
  await stack.clients.campaigns.resumeCampaign({ id }, tenant)
  expect((await stack.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({ accepted: 20 })
})

/** Posts a change of an account's standing as Meta does, and waits until it is known. */
async function deliver(stack: TestStack, tenant: Tenant, state: string): Promise<void> {
  const value = { event: 'DISABLED_UPDATE', ban_info: { waba_ban_state: state, waba_ban_date: 'May 1' } }
  const entry = [{ id: tenant.wabaId, time: Math.floor(Date.now() / 1000), changes: [{ field: 'account_update', value }] }]
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry })
  expect(await postWebhook(stack.webhookUrl(tenant), tenant.appSecret, body)).toBe(200)
  await stack.settled()
}
