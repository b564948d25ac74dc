import { setTimeout as delay } from 'node:timers/promises'
import { audit } from '@lockstep/audit'
import type { ServiceName } from '@lockstep/contracts'
import type { SettingsPatch } from '@lockstep/meta-simulator'
import { until } from '@lockstep/testing'
import { assertClean, type FaultRun, untilAtLeast } from './run.ts'

/** How much of a scenario is run: all of it, or what fits into every `npm test`. */
export type Size = 'short' | 'full'

export interface FaultScenario {
  name: string
  /** What it shows. */
  guarantee: string
  processes: readonly ServiceName[]
  simulator?: SettingsPatch
  run(run: FaultRun, size: Size): Promise<void>
}

/** Messages of one campaign that may be under way at once (LOCKSTEP_SEND_CONCURRENCY). */
const concurrency = 64
const all: readonly ServiceName[] = ['accounts', 'webhook-gateway', 'contacts', 'templates', 'campaigns', 'conversations']

/** Marks of progress in (0, total), ascending. */
function marks(run: FaultRun, count: number, total: number): number[] {
  return Array.from({ length: count }, () => run.dice(Math.ceil(total * 0.05), Math.floor(total * 0.9))).sort((a, b) => a - b)
}

const killCampaigns: FaultScenario = {
  name: 'kill-campaigns',
  guarantee: 'SIGKILL in the middle of a send: it completes by itself, nobody is written to twice, an order finishes what stays unknown',
  processes: ['campaigns'],
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 500
    const id = await run.startCampaign(total)
    for (const mark of marks(run, size === 'full' ? 3 : 2, total)) {
      const at = await untilAtLeast(() => run.accepted(id), Math.min(mark, total - 1))
      if (at >= total) throw new Error('The campaign was over before it could be killed')
      run.note(`${at} accepted`)
      await run.killAndRestart('campaigns')
    }
    await run.finish(id)
    await orderUnknown(run, id, total)
  },
}

/** Those left unknown were claimed and never written, at most the concurrency a kill; a person's order finishes them. */
async function orderUnknown(run: FaultRun, id: string, total: number): Promise<void> {
  const { stack, tenant } = run
  const { recipients } = await stack.clients.campaigns.listRecipients({ campaignId: id, state: 'unknown', limit: 1_000 }, tenant)
  if (recipients.length > concurrency * run.tally.kills)
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

const killOthers: FaultScenario = {
  name: 'kill-others',
  guarantee: 'SIGKILL of gateway, conversations and contacts in turn during a send with replies: nothing is lost, nothing twice',
  processes: ['webhook-gateway', 'conversations', 'contacts'],
  simulator: { shares: { reply: 0.2, stop: 0.1 } },
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 400
    const id = await run.startCampaign(total)
    const victims = size === 'full' ? this.processes.concat(this.processes) : this.processes
    for (const [i, mark] of marks(run, victims.length, total).entries()) {
      await untilAtLeast(() => run.accepted(id), mark)
      await run.killAndRestart(victims[i]!)
    }
    await run.finish(id)
  },
}

const freeze: FaultScenario = {
  name: 'freeze',
  guarantee: 'a process that is stopped past its lock and lease, and goes on while another has taken over, harms nothing',
  processes: ['campaigns'],
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 700
    await run.addWorker('campaigns')
    const id = await run.startCampaign(total)
    for (const mark of marks(run, size === 'full' ? 2 : 1, total)) {
      await untilAtLeast(() => run.accepted(id), mark)
      // The lock's life is a minute, the lease 30 s, both scaled by 0.2: past both of them.
      await run.freeze('campaigns', () => delay(14_000))
    }
    await run.finish(id)
  },
}

const rolling: FaultScenario = {
  name: 'rolling',
  guarantee: 'a rolling restart of every service during a send leaves no outcome unknown',
  processes: all,
  async run(run, size) {
    const total = size === 'full' ? 3_000 : 1_000
    const id = await run.startCampaign(total)
    for (const service of all) {
      await untilAtLeast(() => run.accepted(id), 1)
      await run.roll(service)
    }
    await run.finish(id)
    const { unknown, accepted } = (await run.stack.campaign(run.tenant, id)).statistics!
    if (unknown !== 0 || accepted !== total) throw new Error(`${unknown} unknown, ${accepted} accepted of ${total}`)
  },
}

const losses: FaultScenario = {
  name: 'losses',
  guarantee: "NATS' store deleted, Redis flushed and restarted, PostgreSQL's connections cut, in prepare, send and status storm",
  processes: ['campaigns'],
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 500
    const lose = [() => run.deleteNatsStore(), () => run.flushRedis(), () => run.cutPostgres(), () => run.restartRedis()]
    const id = await run.startCampaign(total)
    await run.pick(lose)() // while it prepares
    for (const mark of marks(run, size === 'full' ? 6 : 3, total)) {
      await untilAtLeast(() => run.accepted(id), mark)
      await run.pick(lose)()
    }
    await untilAtLeast(() => run.accepted(id), total - concurrency) // the storm of the last statuses
    await run.pick(lose)()
    await run.finish(id, { redisWasFlushed: true })
  },
}

const orders: FaultScenario = {
  name: 'orders',
  guarantee: 'pause and resume at random during a send with kills: each answer is kept, and everybody is written to once',
  processes: ['campaigns'],
  async run(run, size) {
    const total = size === 'full' ? 3_000 : 600
    const id = await run.startCampaign(total)
    const { campaigns } = run.stack.clients
    const times = size === 'full' ? 50 : 8
    for (let i = 0; i < times; i++) {
      await delay(run.dice(0, 60))
      if (run.dice(1, size === 'full' ? 15 : 6) === 1) await run.killAndRestart('campaigns')
      await order(() => campaigns.pauseCampaign({ id }, run.tenant))
      const { state } = await until(() => campaigns.getCampaign({ id }, run.tenant), 30_000)
      if (state === 'paused') await nobodyMore(run, id)
      await order(() => campaigns.resumeCampaign({ id }, run.tenant))
      run.tally.orders += 2
    }
    await run.finish(id)
    const cancelled = await run.startCampaign(200)
    await delay(run.dice(0, 300))
    await order(() => campaigns.cancelCampaign({ id: cancelled }, run.tenant))
    const { state } = await until(() => campaigns.getCampaign({ id: cancelled }, run.tenant))
    run.tally.orders++
    await run.finish(cancelled, { state })
  },
}

/** Carries an order out, however often the service has to be asked; a conflict means that it is in no state for it. */
async function order(give: () => Promise<unknown>): Promise<void> {
  await until(async () => {
    try {
      await give()
    } catch (error) {
      if ((error as { failure?: string }).failure !== 'conflict') throw error
    }
    return true
  }, 30_000)
}

/** While a campaign is paused and nothing is under way, nobody is claimed. */
async function nobodyMore(run: FaultRun, id: string): Promise<void> {
  const attempts = async () =>
    Number((await run.stack.world.sql('select count(*) from campaigns.attempts where campaign_id = $1', [id]))[0]!.count)
  const before = await attempts()
  await delay(run.dice(0, 100))
  const { state } = await until(() => run.stack.clients.campaigns.getCampaign({ id }, run.tenant), 30_000)
  const after = await attempts()
  if (state === 'paused' && after > before) throw new Error(`${after - before} recipients were claimed while the campaign was paused`)
}

const optOuts: FaultScenario = {
  name: 'opt-outs',
  guarantee: 'who says stop during a send, by a message or through the API, is not written to afterwards',
  processes: ['campaigns'],
  async run(run, size) {
    const total = size === 'full' ? 1_500 : 400
    const id = await run.startCampaign(total)
    const { contacts } = await run.stack.clients.contacts.listContacts({ tag: 'all', limit: 200 }, run.tenant)
    for (let i = 0; i < (size === 'full' ? 60 : 20); i++) {
      await delay(run.dice(0, 40))
      const contact = run.pick(contacts)
      const text = run.pick(['STOP', 'baja', 'unsubscribe'])
      if (run.dice(0, 1) === 0)
        await run.stack.simulator.client.inbound({ phoneNumberId: run.tenant.phoneNumberId, from: contact.phone, text })
      else await run.stack.clients.contacts.recordConsent({ contactId: contact.id, kind: 'opt_out', evidence: 'phone call' }, run.tenant)
      run.tally.orders++
    }
    await run.finish(id)
  },
}

const storm: FaultScenario = {
  name: 'status-storm',
  guarantee: 'statistics equal a recount in every snapshot while tripled, shuffled statuses storm in on two workers',
  processes: ['campaigns'],
  simulator: {
    webhooks: { duplicates: 3, disorder: 0.3, batchMs: 5 },
    shares: { undelivered: 0.1, readWithoutDelivered: 0.2, failedThenDelivered: 0.3 },
    failed: { '131026': 0.1 },
  },
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 500
    await run.addWorker('campaigns')
    const id = await run.startCampaign(total)
    const watching = new AbortController()
    let looks = 0
    const watch = (async () => {
      while (!watching.signal.aborted) {
        assertClean(await audit({ adminUrl: run.stack.world.adminUrl, only: ['I6'] }))
        looks++
        await delay(size === 'full' ? 1_000 : 300)
      }
    })()
    try {
      await run.finish(id)
    } finally {
      watching.abort()
      await watch
    }
    run.note(`statistics equalled a recount in ${looks} snapshots`)
  },
}

const outcomes: FaultScenario = {
  name: 'outcomes',
  guarantee: 'answers that hang, reset, lie or refuse: what cannot be known is never sent again, what was not sent is',
  processes: ['campaigns'],
  simulator: {
    faults: { shares: { hang: 0.005, reset: 0.02, 'bad-gateway': 0.02, 'unknown-error': 0.01, unreadable: 0.02, lost: 0.01 }, next: [] },
    errors: { shares: { '130429': 0.01, '131056': 0.005, '131009': 0.01 }, next: [] },
  },
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 400
    const id = await run.startCampaign(total)
    if (size === 'full') {
      await untilAtLeast(() => run.accepted(id), Math.floor(total / 2))
      await run.stack.simulator.client.setSettings({ errors: { next: [{ code: 131048, count: 1 }] } })
      const paused = await run.stack.untilCampaign(run.tenant, id, 'paused', 60_000)
      run.note(`paused by Meta: ${paused.reason}`)
      await order(() => run.stack.clients.campaigns.resumeCampaign({ id }, run.tenant))
    }
    await run.finish(id)
    const posts = await run.stack.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })
    if (new Set(posts.map((post) => post.recipient)).size !== posts.length) throw new Error('Somebody was written to twice')
  },
}

export const faultScenarios: readonly FaultScenario[] = [
  killCampaigns,
  killOthers,
  freeze,
  rolling,
  losses,
  orders,
  optOuts,
  storm,
  outcomes,
]
