import { setTimeout as delay } from 'node:timers/promises'
import { audit } from '@lockstep/audit'
import { assertClean } from '../run.ts'
import type { FaultScenario } from '../scenario.ts'

export const statusStorm: FaultScenario = {
  name: 'status-storm',
  guarantee:
    'statistics equal a recount in every snapshot while tripled, shuffled statuses storm in on two workers',
  processes: ['campaigns'],
  simulator: {
    webhooks: { duplicates: 3, disorder: 0.3, batchMs: 5 },
    shares: { undelivered: 0.1, readWithoutDelivered: 0.2, failedThenDelivered: 0.3 },
    failed: { '131026': 0.1 },
  },
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 500
    await run.addWorker('campaigns')
    const { id } = await run.startCampaign(total)
    const watching = new AbortController()
    let looks = 0
    const watch = (async () => {
      while (!watching.signal.aborted) {
        assertClean(await audit({ ...run.system.audited, only: ['I6'] }))
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
