import { until } from '@lockstep/testing'
import { defaultSendConcurrency } from '../../../services/campaigns/src/config.ts'
import type { FaultRun } from '../run.ts'
import {
  type FaultScenario,
  marks,
  untilAccepted,
  untilAtLeast,
  untilHanging,
} from '../scenario.ts'

/**
 * Where in the way of a message the process is killed. Each goes by attempts that were claimed after the kill before it, and
 * answers when its own was: what that one left behind was never written, and no status resolves it.
 */
const moments: ((run: FaultRun, campaignId: string, claimedAfter: string) => Promise<string>)[] = [
  async function betweenClaimAndPost(run, campaignId, claimedAfter) {
    let killedAt = claimedAfter
    await run.freeze('contacts', async () => {
      await untilHanging(run, campaignId, claimedAfter)
      await run.kill('campaigns')
      killedAt = await databaseTime(run)
    })
    await run.restart('campaigns')
    return killedAt
  },
  async function betweenPostAndOutcome(run, campaignId, claimedAfter) {
    const { simulator, world } = run.system
    run.note('Meta accepts and does not answer')
    await simulator.client.setSettings({
      webhooks: { paused: true },
      faults: { next: [{ kind: 'hang', count: 20 }] },
    })
    await untilHanging(run, campaignId, claimedAfter)
    const unknown = async () => {
      const found = await world.sql(
        `select from campaigns.attempts where campaign_id = $1 and outcome = 'unknown' and claimed_at > $2::timestamptz`,
        [campaignId, claimedAfter],
      )
      return found.length
    }
    const before = await unknown()
    await run.kill('campaigns')
    const killedAt = await databaseTime(run)
    await run.restart('campaigns')
    let most = await untilAtLeast(unknown, before + 1) // others that were under way follow
    await simulator.client.setSettings({ webhooks: { paused: false }, faults: { next: [] } })
    await until(async () => {
      const left = await unknown()
      most = Math.max(most, left)
      return left < most
    })
    run.tally.unknownsResolved += most - (await unknown())
    return killedAt
  },
  async function anywhere(run) {
    await run.killAndRestart('campaigns')
    return databaseTime(run)
  },
]

async function databaseTime({ system }: FaultRun): Promise<string> {
  const [row] = await system.world.sql<{ now: string }>('select clock_timestamp()::text as now')
  return row!.now
}

export const killCampaigns: FaultScenario = {
  name: 'kill-campaigns',
  guarantee:
    'SIGKILL in the middle of a send: it completes by itself, nobody is written to twice, an order finishes what stays unknown',
  processes: ['campaigns', 'contacts'],
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 500
    const { id } = await run.startCampaign(total)
    const kills = size === 'full' ? moments : moments.slice(0, 2)
    let killedAt = '-infinity'
    for (const [i, mark] of marks(run, kills.length, total).entries()) {
      await untilAccepted(run, id, mark, total)
      killedAt = await kills[i]!(run, id, killedAt)
    }
    await run.finish(id)
    await orderUnknown(run, id, total)
  },
}

/** Those left unknown were claimed and never written, at most the concurrency a kill; a person's order finishes them. */
async function orderUnknown(run: FaultRun, id: string, total: number): Promise<void> {
  const { system, tenant } = run
  const { recipients } = await system.clients.campaigns.listRecipients(
    { campaignId: id, state: 'unknown', limit: 1_000 },
    tenant,
  )
  if (recipients.length > defaultSendConcurrency * run.tally.kills)
    throw new Error(`${recipients.length} recipients are unknown after ${run.tally.kills} kills`)
  const posted = new Set(
    (await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).map(
      (post) => post.recipient,
    ),
  )
  const known = recipients.filter((recipient) => posted.has(recipient.phone))
  if (known.length > 0)
    throw new Error(`${known.length} recipients are unknown although Meta accepted their message`)
  run.note(`${recipients.length} unknown, never written; ordered again`)
  if (recipients.length > 0) {
    await system.clients.campaigns.resendUnknown(
      { campaignId: id, recipientIds: recipients.map((r) => r.id) },
      tenant,
    )
    run.tally.unknownsOrdered += recipients.length
    await until(
      async () => (await system.campaign(tenant, id)).statistics!.accepted === total,
      60_000,
    )
    await run.finish(id)
  }
  if ((await run.accepted(id)) !== total)
    throw new Error(`Meta accepted ${await run.accepted(id)} messages of ${total}`)
}
