import { type FaultScenario, marks, untilAccepted } from '../scenario.ts'

export const killOthers: FaultScenario = {
  name: 'kill-others',
  guarantee:
    'SIGKILL of gateway, conversations and contacts in turn during a send with replies: nothing is lost, nothing twice',
  processes: ['webhook-gateway', 'conversations', 'contacts'],
  simulator: { shares: { reply: 0.2, stop: 0.1 } },
  perSecond: 20, // a service takes more than a second to start again
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 600
    const { id } = await run.startCampaign(total)
    const rounds = size === 'full' ? 3 : 1
    const victims = Array.from({ length: rounds }, () => this.processes).flat()
    for (const [i, mark] of marks(run, victims.length, total).entries()) {
      await untilAccepted(run, id, mark, total)
      await run.killAndRestart(victims[i]!)
    }
    await run.finish(id)
  },
}
