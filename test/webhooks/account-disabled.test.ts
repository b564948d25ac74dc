import { audit } from '@lockstep/audit'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { assertClean } from '../faults/run.ts'

/** What Meta holds against an account keeps its campaigns from sending, in words, and no longer than it holds. */
let stack: TestSystem
let tenant: Tenant
beforeAll(async () => {
  stack = await startSystem({ scale: 0.1 })
})
afterAll(() => stack?.[Symbol.asyncDispose]())
beforeEach(async () => {
  tenant = await stack.addTenant()
  await stack.importContacts(tenant, phones(20))
})

type Decision = Omit<Parameters<TestSystem['simulator']['client']['accountEvent']>[0], 'wabaId'>

/** Meta decides about the account, which stands behind its sends at once, and its news are handled. */
async function decides(event: Decision): Promise<void> {
  await stack.simulator.client.accountEvent({ wabaId: tenant.wabaId, ...event })
  await stack.settled()
}

const restricts = (endsAtMs: number | null, type = 'RESTRICTED_BIZ_INITIATED_MESSAGING') =>
  decides({ event: 'ACCOUNT_RESTRICTION', restrictions: [{ type, endsAtMs }] })

/** A campaign that waits for the end of the restriction, and has sent nothing. */
async function waiting(words: RegExp): Promise<string> {
  const { id } = await stack.startCampaign(tenant)
  await until(async () => {
    const { state, reason } = await stack.campaign(tenant, id)
    if (state !== 'sending' || !words.test(reason))
      throw new Error(`The campaign is ${state}: ${reason}`)
    return true
  })
  expect(
    await stack.world.sql('select from campaigns.attempts where campaign_id = $1', [id]),
  ).toEqual([])
  return id
}

async function order(kind: 'pauseCampaign' | 'resumeCampaign', id: string): Promise<void> {
  await stack.clients.campaigns[kind]({ id }, tenant)
}

test('a campaign of a disabled account pauses with the words of Meta, and goes on once the account is reinstated', async () => {
  await decides({ event: 'DISABLED_UPDATE' })
  const { id } = await stack.startCampaign(tenant)
  const paused = await stack.untilCampaign(tenant, id, 'paused')
  expect(paused).toMatchObject({
    reason: expect.stringMatching(/^Meta has disabled this WhatsApp Business account \(2026-/),
  })
  expect(paused.statistics).toMatchObject({ recipients: 20, queued: 20, accepted: 0 })
  await decides({ event: 'DISABLED_UPDATE', banState: 'REINSTATE' })
  await order('resumeCampaign', id)
  expect((await stack.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    accepted: 20,
  })
})

test('while Meta lets nobody be written to first a campaign waits with the words and the end, and goes on by itself when that is over', async () => {
  await restricts(Date.now() + 86_400_000)
  const id = await waiting(
    /^Waits because Meta has restricted this number: it can only answer people who write to it, until .*Z\. .* then\./,
  )
  await restricts(Date.now() + 1_000)
  const { reason, statistics } = await stack.untilCampaign(tenant, id, 'completed')
  expect([reason, statistics!.accepted]).toEqual(['', 20])
})

test('restrictions of calls and of changes at Meta stop no campaign', async () => {
  await restricts(null, 'RESTRICTED_BUSINESS_INITIATED_CALLING')
  await restricts(null, 'RESTRICTED_ADD_PHONE_NUMBER_ACTION')
  const { id } = await stack.startCampaign(tenant)
  expect((await stack.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    accepted: 20,
  })
})

test('a restriction whose end got lost is passed by an order to go on; if it stands, Meta refuses and nobody is lost', async () => {
  await restricts(null)
  const id = await waiting(
    / It goes on by itself when Meta says that it is over\. Pause and resume it to try before\.$/,
  )
  const again = async () => {
    await order('pauseCampaign', id)
    await order('resumeCampaign', id)
  }
  await again()
  const paused = await stack.untilCampaign(tenant, id, 'paused')
  expect(paused).toMatchObject({
    reason: expect.stringMatching(/Meta has blocked this WhatsApp Business Account/),
  })
  expect(paused.statistics).toMatchObject({ queued: 20, accepted: 0 })
  // As if Meta had told of the end, and nobody had heard it.
  const { wabas } = await stack.simulator.client.state()
  const free = wabas.filter(({ id }) => id === tenant.wabaId).map(({ account: _, ...waba }) => waba)
  await stack.simulator.client.setState({ wabas: free })
  await order('resumeCampaign', id)
  expect((await stack.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    accepted: 20,
  })
})

test('in the end no invariant is violated', async () => {
  await stack.settled()
  assertClean(await audit({ ...stack.audited, settled: true }))
})
