import { type FaultScenario, order, untilAccepted } from '../scenario.ts'

export const outcomes: FaultScenario = {
  name: 'outcomes',
  guarantee:
    'answers that hang, reset, lie or refuse: what cannot be known is never sent again, what was not sent goes out once',
  processes: ['campaigns'],
  simulator: {
    faults: {
      shares: {
        hang: 0.005,
        reset: 0.02,
        'bad-gateway': 0.02,
        'unknown-error': 0.01,
        unreadable: 0.02,
        lost: 0.01,
      },
      next: [],
    },
    errors: { shares: { '130429': 0.01, '131056': 0.005, '131009': 0.01 }, next: [] },
  },
  perSecond: 1_000, // each throttle halves it, and it recovers in its own time
  async run(run, size) {
    const total = size === 'full' ? 2_000 : 400
    const { id } = await run.startCampaign(total)
    if (size === 'full') {
      await untilAccepted(run, id, Math.floor(total / 2), total)
      await run.system.simulator.client.setSettings({
        errors: { next: [{ code: 131048, count: 1 }] },
      })
      const paused = await run.system.untilCampaign(run.tenant, id, 'paused', 60_000)
      run.note(`paused by Meta: ${paused.reason}`)
      await order(run, () => run.system.clients.campaigns.resumeCampaign({ id }, run.tenant))
    }
    await run.finish(id)
    const posts = await run.system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })
    if (new Set(posts.map((post) => post.recipient)).size !== posts.length)
      throw new Error('Somebody was written to twice')
  },
}
