import { randomBytes } from 'node:crypto'
import { until } from '@lockstep/testing'
import type { FaultRun } from '../run.ts'
import { type FaultScenario, marks, order, stateOf, untilAccepted } from '../scenario.ts'

/** What happens to the number while a campaign sends; `person` says who says stop meanwhile. */
interface Steps {
  run: FaultRun
  campaignId: string
  person: () => string
}

export const reconnect: FaultScenario = {
  name: 'reconnect',
  guarantee:
    'a token replaced, a number disconnected and connected again during a send, with STOPs in between: it goes on, and nobody is written to twice or after a STOP',
  processes: ['accounts', 'campaigns'],
  perSecond: 20,
  async run(run, size) {
    const [total, times] = size === 'full' ? [1_500, 10] : [400, 3]
    const { id: campaignId, tag } = await run.startCampaign(total)
    const { contacts } = await run.system.clients.contacts.listContacts(
      { tag, limit: 200 },
      run.tenant,
    )
    const steps = { run, campaignId, person: () => run.pick(contacts).phone }
    for (const [i, mark] of marks(run, times, total).entries()) {
      await untilAccepted(run, campaignId, mark, total)
      await (i % 2 === 0 ? disconnectAndConnect(steps) : replaceToken(steps))
    }
    await run.finish(campaignId)
  },
}

async function replaceToken({ run, campaignId, person }: Steps): Promise<void> {
  const accessToken = await changeToken(run)
  await untilStopped(run, campaignId)
  await sayStop(run, person)
  await untilDone(run, () =>
    run.system.clients.accounts.replaceToken(
      { id: run.tenant.connectionId, accessToken },
      run.tenant,
    ),
  )
  run.note('the token is replaced')
  await order(run, () =>
    run.system.clients.campaigns.resumeCampaign({ id: campaignId }, run.tenant),
  )
}

async function disconnectAndConnect({ run, campaignId, person }: Steps): Promise<void> {
  const { phoneNumberId, wabaId, appId, connectionId } = run.tenant
  const { accounts } = run.system.clients
  await untilDone(run, () => accounts.disconnect({ id: connectionId }, run.tenant))
  await sayStop(run, person)
  await untilStopped(run, campaignId)
  await sayStop(run, person)
  const accessToken = await changeToken(run)
  const wanted = { name: '', phoneNumberId, wabaId, appId, accessToken }
  await untilDone(run, () => accounts.createConnection(wanted, run.tenant))
  const now = await until(() => accounts.getConnection({ id: connectionId }, run.tenant), 30_000)
  if (now.disconnectedAtMs !== undefined)
    throw new Error('The number was connected again as another connection')
  run.note('the number is connected again')
  await order(run, () =>
    run.system.clients.campaigns.resumeCampaign({ id: campaignId }, run.tenant),
  )
}

/** Carries an order to accounts out; now and then its process is killed right after the answer. */
async function untilDone(run: FaultRun, give: () => Promise<unknown>): Promise<void> {
  await order(run, give)
  if (run.dice(1, 4) === 1) await run.killAndRestart('accounts')
}

/** Meta takes another token from now on, and no longer the one before. */
async function changeToken({
  system,
  tenant: { phoneNumberId: id, wabaId },
}: FaultRun): Promise<string> {
  const token = randomBytes(16).toString('hex')
  const number = {
    id,
    wabaId,
    token,
    displayPhoneNumber: `+1 555 ${id}`,
    throughputLevel: 'HIGH' as const,
  }
  await system.simulator.client.setState({ numbers: [number] })
  return token
}

async function sayStop({ system, tenant, dice }: FaultRun, person: () => string): Promise<void> {
  for (let i = dice(0, 3); i > 0; i--)
    await system.simulator.client.inbound({
      phoneNumberId: tenant.phoneNumberId,
      from: person(),
      text: 'STOP',
    })
}

/** Waits until the campaign has seen that it can't go on; throws when it was over before that. */
async function untilStopped(run: FaultRun, campaignId: string): Promise<void> {
  const state = await until(async () => {
    const now = await stateOf(run, campaignId)
    return now !== 'sending' && now
  }, 60_000)
  if (state !== 'paused')
    throw new Error(`The campaign is ${state} before anything could be done to its number`)
}
