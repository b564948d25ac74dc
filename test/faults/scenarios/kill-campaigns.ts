import { until } from '@lockstep/testing'
import { defaultSendConcurrency } from '../../../services/campaigns/src/config.ts'
import type { FaultRun } from '../run.ts'
import { type FaultScenario, marks, untilAccepted, untilAtLeast, untilHanging } from '../scenario.ts'

/** Where in the way of a message the process is killed. */
const moments: ((run: FaultRun, campaignId: string) => Promise<void>)[] = [
  async function betweenClaimAndPost(run, campaignId) {
    await run.freeze('contacts', async () => {
      await untilHanging(run, campaignId)
      await run.kill('campaigns')
    })
    await run.restart('campaigns')
  },
  async function betweenPostAndOutcome(run, campaignId) {
    const { client } = run.stack.simulator
    run.note('Meta accepts and does not answer')
    await client.setSettings({ webhooks: { paused: true }, faults: { next: [{ kind: 'hang', count: 20 }] } })
    await untilHanging(run, campaignId)
    const unknown = async () => (await run.stack.campaign(run.tenant, campaignId)).statistics!.unknown
    const before = await unknown()
    await run.killAndRestart('campaigns')
    let most = await untilAtLeast(unknown, before + 1) // others that were under way follow
    await client.setSettings({ webhooks: { paused: false }, faults: { next: [] } })
    await until(async () => {
      const left = await unknown()
      most = Math.max(most, left)
      return left < most
    })
    run.tally.unknownsResolved += most - (await unknown())
  },
  async function anywhere(run) {
    await run.killAndRestart('campaigns')
  },
]

export const killCampaigns: FaultScenario = {
  name: 'kill-campaigns',
  guarantee: 'SIGKILL in the middle of a send: it completes by itself, nobody is written to twice, an order finishes what stays unknown',
  processes: ['campaigns', 'contacts'],
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 500
    const { id } = await run.startCampaign(total)
    const kills = size === 'full' ? moments : moments.slice(0, 2)
    for (const [i, mark] of marks(run, kills.length, total).entries()) {
      await untilAccepted(run, id, mark, total)
      await kills[i]!(run, id)
    }
    await run.finish(id)
    await orderUnknown(run, id, total)
  },
}

/** Those left unknown were claimed and never written, at most the concurrency a kill; a person's order finishes them. */
async function orderUnknown(run: FaultRun, id: string, total: number): Promise<void> {
  const { stack, tenant } = run
  const { recipients } = await stack.clients.campaigns.listRecipients({ campaignId: id, state: 'unknown', limit: 1_000 }, tenant)
  if (recipients.length > defaultSendConcurrency * run.tally.kills)
    throw new Error(`${recipients.length} recipients are unknown after ${run.tally.kills} kills`)
  const posted = new Set((await stack.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).map((post) => post.recipient))
  const known = recipients.filter((recipient) => posted.has(recipient.phone))
  if (known.length > 0) throw new Error(`${known.length} recipients are unknown although Meta accepted their message`)
  run.note(`${recipients.length} unknown, never written; ordered again`)
  if (recipients.length > 0) {
    await stack.clients.campaigns.resendUnknown({ campaignId: id, recipientIds: recipients.map((r) => r.id) }, tenant)
    run.tally.unknownsOrdered += recipients.length
    await until(async () => (await stack.campaign(tenant, id)).statistics!.accepted === total, 60_000)
    await run.finish(id)
  }
  if ((await run.accepted(id)) !== total) throw new Error(`Meta accepted ${await run.accepted(id)} messages of ${total}`)
}
