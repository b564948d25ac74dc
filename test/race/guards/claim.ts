import { until } from '@lockstep/testing'
import type { Subject } from '../campaign.ts'
import { attemptUniqueness, campaignSend, claimLock, prepared } from '../campaign_send.ts'
import type { Race } from '../system.ts'
import { layersOf, pathGuard } from './path-guard.ts'

interface Paused extends Subject {
  /** How many people had been claimed when the pause was answered. */
  claimed?: number
}

const claimed = async ({ sql }: Race, { campaignId }: Subject): Promise<number> =>
  (
    await sql<{ n: number }>(
      'select count(*)::int as n from campaigns.attempts where campaign_id = $1',
      [campaignId],
    )
  )[0]!.n

/** A person pauses a campaign while a claim has begun and has not written yet. */
export const claimSeesPause = pathGuard<Paused>({
  name: 'claim waits for a pause',
  work: {
    slow: [{ table: 'campaigns.attempts', on: 'insert', seconds: 0.4 }],
    prepare: prepared,
    async collide(race, subject) {
      const { clients } = race.system
      await clients.campaigns.resumeCampaign({ id: subject.campaignId }, subject.tenant)
      await until(() => isClaiming(race))
      await clients.campaigns.pauseCampaign({ id: subject.campaignId }, subject.tenant)
      subject.claimed = await claimed(race, subject)
    },
    async conflicts(race, subject) {
      const late = (await claimed(race, subject)) - subject.claimed!
      return late > 0 ? [`${late} people were claimed after the pause was answered`] : []
    },
  },
  taken: {
    is: 'a claim reads the state of its campaign under a row lock that a pause has to wait for, and that waits for a pause',
    statements: [{ in: 'insert into attempts', replace: ' for share', by: '' }],
  },
  beside: {},
  wrong: 'people are claimed, and written to, after the pause was answered',
})

/** Whoever sends first may have completed the campaign when the others write: then its state stops them. */
const others = {
  ...layersOf(campaignSend, 'lock', 'lane', 'fence', 'pair limit'),
  [claimSeesPause.name]: claimSeesPause.taken,
}

/** Several processes claim the people of one campaign. */
export const claimCas = pathGuard({
  name: 'claim CAS',
  work: campaignSend,
  taken: claimLock,
  beside: { ...others, 'attempt uniqueness': attemptUniqueness },
  wrong: 'several processes claim the same people, and each writes to them',
})

/** The same race: whoever reads rows that another has claimed cannot write an attempt of the same number. */
export const attemptUnique = pathGuard({
  name: 'attempt uniqueness',
  work: campaignSend,
  taken: attemptUniqueness,
  beside: { ...others, 'claim CAS': claimLock },
  wrong: 'a recipient has several first attempts, and each is sent',
})

async function isClaiming({ sql }: Race): Promise<boolean> {
  const found = await sql(
    `select from pg_stat_activity where wait_event = 'PgSleep' and query like '%insert into attempts%'`,
  )
  return found.length > 0
}
