import { draft, holdAfterPreparing, people, type Subject, wrongStatistics } from './campaign.ts'
import { type Guard, noFence, scenario } from './scenario.ts'
import type { Race } from './system.ts'

/** Of the claim: without it several processes read the same queued rows, and each believes that it has taken them. */
export const claimLock = {
  is: 'a claim takes rows only while they are queued: it locks them, and passes over those that another one has locked',
  statements: [{ in: 'insert into attempts', replace: ' for update of r skip locked', by: '' }],
} satisfies Guard

export const attemptUniqueness = {
  is: 'unique (recipient, attempt number)',
  drop: [
    'alter table campaigns.attempts drop constraint attempts_campaign_id_recipient_id_number_key',
  ],
  restore: [
    'truncate campaigns.attempts',
    'alter table campaigns.attempts add unique (campaign_id, recipient_id, number)',
  ],
} satisfies Guard

/** A campaign whose list is frozen, and which is paused before the first message. */
export async function prepared(race: Race): Promise<Subject> {
  const subject = await draft(race)
  await using _paused = await holdAfterPreparing(race)
  await race.system.clients.campaigns.startCampaign({ id: subject.campaignId }, subject.tenant)
  await race.system.untilCampaign(subject.tenant, subject.campaignId, 'paused')
  return subject
}

/** Several processes send one campaign. */
export const campaignSend = scenario<Subject>({
  lock: 'campaign_send',
  operation: 'claim recipients of a campaign and send to them',
  guards: {
    lock: { is: 'campaign_send:{id}', locks: ['campaign_send'] },
    lane: { is: 'campaigns.run, one a campaign', lanes: ['campaigns.run'] },
    fence: { is: 'fence at each claim', statements: noFence },
    rows: {
      ...claimLock,
      ...attemptUniqueness,
      is: 'claim locks the rows that it takes, unique (recipient, attempt number)',
    },
    'pair limit': { is: 'one message to a person in 6 s', pairLimit: true },
  },
  slow: [{ table: 'campaigns.attempts', on: 'insert', seconds: 0.2 }],
  prepare: prepared,
  async collide(race, { tenant, campaignId }) {
    await race.system.clients.campaigns.resumeCampaign({ id: campaignId }, tenant)
    await race.go('campaigns.run', campaignId)
  },
  async conflicts(race, subject) {
    const posts = await race.system.simulator.client.accepted({
      callbackPrefix: `lk1.c.${subject.campaignId}.`,
    })
    const each = Map.groupBy(posts, (post) => post.recipient)
    const conflicts = [...each]
      .filter(([, own]) => own.length > 1)
      .map(([, own]) => `one person was written to ${own.length} times`)
    if (each.size !== people) conflicts.push(`${each.size} people of ${people} were written to`)
    return [...conflicts, ...(await wrongStatistics(race, subject))]
  },
})
