import { setTimeout as delay } from 'node:timers/promises'
import { type FaultScenario, marks, untilAccepted, untilAtLeast } from '../scenario.ts'

/** The lock's life is a minute, the lease 30 s, both scaled by 0.2: past both of them. */
const pastLockAndLeaseMs = 14_000

export const freeze: FaultScenario = {
  name: 'freeze',
  guarantee:
    'a process that is stopped past its lock and lease, and goes on while another has taken over, harms nothing: everybody is written to once',
  processes: ['campaigns'],
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 700
    await run.addWorker('campaigns')
    const { id } = await run.startCampaign(total)
    const [first, ...later] = marks(run, size === 'full' ? 2 : 1, total)
    await untilAccepted(run, id, first!, total)
    await run.freeze('campaigns', () => delay(pastLockAndLeaseMs))
    // The other worker may have finished meanwhile; then being frozen once more must change nothing either.
    for (const _ of later) await run.freeze('campaigns', () => delay(pastLockAndLeaseMs))
    // What it had claimed and not written was taken for possibly sent; it knows better, and everybody is written to.
    await untilAtLeast(() => run.accepted(id), total)
    await run.finish(id)
  },
}
