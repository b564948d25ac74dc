import type { FaultRun } from '../run.ts'
import { type FaultScenario, marks, untilAccepted } from '../scenario.ts'

const hourMs = 3_600_000

export const clocks: FaultScenario = {
  name: 'clocks',
  guarantee:
    'wall clocks an hour ahead and an hour behind: nobody waits an hour, nothing is given up early, the last word on consent counts',
  processes: ['webhook-gateway', 'contacts', 'campaigns', 'conversations'],
  clocksMs: {
    'webhook-gateway': -hourMs,
    contacts: -hourMs,
    campaigns: hourMs,
    conversations: hourMs,
  },
  simulator: {
    errors: { shares: { '130429': 0.02, '131056': 0.01 }, next: [] },
    shares: { reply: 0.1 },
  },
  perSecond: 1_000, // each throttle halves it, and it recovers in its own time
  async run(run, size) {
    const total = size === 'full' ? 1_500 : 400
    await run.addWorker('campaigns', -hourMs)
    await takeBack(run)
    const { id } = await run.startCampaign(total)
    for (const mark of marks(run, 2, total)) {
      await untilAccepted(run, id, mark, total)
      await run.killAndRestart('conversations')
    }
    await run.finish(id)
    const { unknown, skipped, accepted } = (await run.system.campaign(run.tenant, id)).statistics!
    if (unknown > 0)
      throw new Error(`${unknown} recipients are unknown although Meta answered for each`)
    if (accepted + skipped !== total)
      throw new Error(`${accepted} accepted and ${skipped} skipped of ${total}`)
    const partsWithoutConnection = await run.system.world.sql(
      `select from webhook_gateway.webhook_parts where outcome = 'no_connection'`,
    )
    if (partsWithoutConnection.length > 0)
      throw new Error(
        `${partsWithoutConnection.length} parts were taken for older than their connection`,
      )
  },
}

/** A person says no, then yes, then no through the API: by a clock that is behind, the last word would be the oldest. */
async function takeBack(run: FaultRun): Promise<void> {
  const { contacts } = run.system.clients
  await run.system.importContacts(run.tenant, ['+4915129999999'], 'once')
  const person = async () =>
    (await contacts.listContacts({ tag: 'once', limit: 1 }, run.tenant)).contacts[0]!
  const { id, phone } = await person()
  const words = [
    { text: 'STOP', optedOut: true, secondsAgo: 20 },
    { text: 'START', optedOut: false, secondsAgo: 10 },
  ]
  for (const { text, optedOut, secondsAgo } of words) {
    const timestampMs = Date.now() - secondsAgo * 1_000
    await run.system.simulator.client.inbound({
      phoneNumberId: run.tenant.phoneNumberId,
      from: phone,
      text,
      timestampMs,
    })
    await run.system.settled()
    if ((await person()).optedOut !== optedOut) throw new Error(`"${text}" had no effect`)
  }
  const after = await contacts.recordConsent(
    { contactId: id, kind: 'opt_out', evidence: 'phone call' },
    run.tenant,
  )
  if (!after.optedOut) throw new Error('A person who took their consent back counts as opted in')
}
