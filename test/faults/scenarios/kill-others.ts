import { type FaultScenario, killInTurn } from '../scenario.ts'

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
    await killInTurn(run, this.processes, { id, total, rounds: size === 'full' ? 3 : 1 })
    await run.finish(id)
  },
}
