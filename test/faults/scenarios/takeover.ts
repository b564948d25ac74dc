import { setTimeout as delay } from 'node:timers/promises'
import { locks } from '@lockstep/contracts'
import { openRedis, untilReady } from '@lockstep/locks'
import { until } from '@lockstep/testing'
import { judge } from '../requirements.ts'
import type { FaultRun } from '../run.ts'
import { type FaultScenario, untilAtLeast } from '../scenario.ts'

const perSecond = 20
const goingOnMs = 5_000
/** A POST that was on its way when its process was killed may be accepted until then. */
const underWayMs = 200

/** The instance that sends a campaign, as its lock says. */
async function senderOf({ system }: FaultRun, campaignId: string): Promise<string | undefined> {
  const redis = openRedis(system.world.redis.url)
  try {
    await untilReady(redis, 5_000)
    return (await redis.get(locks.campaign_send.key(campaignId)))?.split(':')[0]
  } finally {
    redis.disconnect()
  }
}

/** Kills the process that sends, does `next`, and tells how long nobody was written to. */
async function interrupted(
  run: FaultRun,
  campaignId: string,
  next: () => Promise<void>,
): Promise<number> {
  const killedAt = Date.now()
  await run.kill('campaigns')
  await delay(underWayMs)
  const before = await run.accepted(campaignId)
  await Promise.all([next(), untilAtLeast(() => run.accepted(campaignId), before + 1)])
  const posts = await run.system.simulator.client.accepted({
    callbackPrefix: `lk1.c.${campaignId}.`,
  })
  const ms = posts[before]!.atMs - killedAt
  run.note(`going on ${ms} ms after the kill`)
  return ms
}

export const takeover: FaultScenario = {
  name: 'takeover',
  guarantee:
    'a campaign whose process is killed goes on within 5 s, by the process that is started again or by another replica',
  processes: ['campaigns'],
  scale: 1,
  perSecond,
  async run(run, size) {
    const { time, end } = judge(run)
    const rounds = size === 'full' ? 4 : 1
    const total = perSecond * (size === 'full' ? 80 : 25)
    const { id } = await run.startCampaign(total)
    await untilAtLeast(() => run.accepted(id), perSecond)
    const restarted: number[] = []
    for (let i = 0; i < rounds; i++) {
      restarted.push(await interrupted(run, id, () => run.restart('campaigns')))
      await untilAtLeast(() => run.accepted(id), perSecond * (3 + 3 * i))
    }
    const replaced: number[] = []
    for (let i = 0; i < rounds; i++) {
      const sender = await until(() => senderOf(run, id))
      await run.addWorker('campaigns')
      await until(async () => (await senderOf(run, id)) === sender, 60_000)
      replaced.push(await interrupted(run, id, async () => {}))
      await run.restart('campaigns')
    }
    await run.finish(id)
    time('restarted: from SIGKILL to the next accepted POST', restarted, 'most', goingOnMs)
    time('a second replica: from SIGKILL to the next accepted POST', replaced, 'most', goingOnMs)
    end()
  },
}
