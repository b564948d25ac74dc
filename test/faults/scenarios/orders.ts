import { setTimeout as delay } from 'node:timers/promises'
import type { FaultRun } from '../run.ts'
import { type FaultScenario, order, stateOf } from '../scenario.ts'

const isOver = (state: string) => state === 'completed' || state === 'cancelled'

export const orders: FaultScenario = {
  name: 'orders',
  guarantee:
    'pause, resume and cancel at random during a send with kills: each order is kept, and everybody is written to at most once',
  processes: ['campaigns'],
  async run(run, size) {
    const [times, total, killEvery] = size === 'full' ? [50, 1_500, 12] : [8, 400, 5]
    const started = [(await run.startCampaign(total)).id]
    for (let i = 0; i < times; i++) {
      await delay(run.dice(0, 60))
      if (run.dice(1, killEvery) === 1) await run.killAndRestart('campaigns')
      const id = started.at(-1)!
      const state = await stateOf(run, id)
      if (isOver(state)) started.push((await run.startCampaign(total)).id)
      else await give(run, id, state)
    }
    const last = started.at(-1)!
    await order(run, () => run.system.clients.campaigns.resumeCampaign({ id: last }, run.tenant))
    for (const id of started)
      await run.finish(id, {
        state: (await stateOf(run, id)) === 'cancelled' ? 'cancelled' : 'completed',
      })
  },
}

/** Mostly pauses what sends and resumes what is paused; one order in ten cancels. */
async function give(run: FaultRun, id: string, state: string): Promise<void> {
  const { campaigns } = run.system.clients
  if (run.dice(1, 10) === 1) await order(run, () => campaigns.cancelCampaign({ id }, run.tenant))
  else if (state === 'paused') await order(run, () => campaigns.resumeCampaign({ id }, run.tenant))
  else await order(run, () => campaigns.pauseCampaign({ id }, run.tenant))
  const after = await stateOf(run, id)
  if (after === 'paused' || after === 'cancelled') await nobodyMore(run, id)
}

/** Once an order to stop is answered, nobody is claimed. */
async function nobodyMore(run: FaultRun, id: string): Promise<void> {
  const attempts = async () =>
    Number(
      (
        await run.system.world.sql(
          'select count(*) from campaigns.attempts where campaign_id = $1',
          [id],
        )
      )[0]!.count,
    )
  const before = await attempts()
  await delay(run.dice(0, 100))
  const after = await attempts()
  if (after > before)
    throw new Error(`${after - before} recipients were claimed although the campaign was to stop`)
}
