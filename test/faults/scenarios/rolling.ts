import type { ServiceName } from '@lockstep/contracts'
import { type FaultScenario, untilAtLeast } from '../scenario.ts'

const all: readonly ServiceName[] = [
  'accounts',
  'webhook-gateway',
  'contacts',
  'templates',
  'campaigns',
  'conversations',
  'events',
]

export const rolling: FaultScenario = {
  name: 'rolling',
  guarantee: 'a rolling restart of every service during a send leaves no outcome unknown',
  processes: all,
  async run(run, size) {
    const total = size === 'full' ? 3_000 : 1_000
    const { id } = await run.startCampaign(total)
    await untilAtLeast(() => run.accepted(id), 1)
    for (const service of all) await run.roll(service)
    await run.finish(id)
    const { unknown, accepted } = (await run.system.campaign(run.tenant, id)).statistics!
    if (unknown !== 0 || accepted !== total)
      throw new Error(`${unknown} unknown, ${accepted} accepted of ${total}`)
  },
}
