import { draft, type Subject, wrongStatistics } from './campaign.ts'
import type { Race } from './system.ts'
import type { Mutation } from './without.ts'

/** A campaign whose messages Meta has accepted and says nothing more about. */
export interface Sent extends Subject {
  attempts: { id: string; wamid: string }[]
}

export async function sent(race: Race): Promise<Sent> {
  const subject = await draft(race)
  await race.system.clients.campaigns.startCampaign({ id: subject.campaignId }, subject.tenant)
  await race.system.untilCampaign(subject.tenant, subject.campaignId, 'completed')
  const attempts = await race.sql<{ id: string; wamid: string }>(
    'select id::text, wamid from campaigns.attempts where campaign_id = $1 order by id',
    [subject.campaignId],
  )
  return { ...subject, attempts }
}

/** Delivers one status of all messages, with the token that they were sent with or without. */
export function deliverStatus(
  race: Race,
  { tenant, campaignId, attempts }: Sent,
  status: string,
  withToken: boolean,
): Promise<void> {
  const { phoneNumberId } = tenant
  const timestamp = String(Math.floor(Date.now() / 1000))
  const statuses = attempts.map(({ id, wamid }) => {
    const token = race.tokens.issue({
      kind: 'c',
      ownerId: campaignId,
      attemptId: id,
      phoneNumberId,
    })
    return {
      id: wamid,
      status,
      timestamp,
      recipient_id: '4915120000000',
      ...(withToken && { biz_opaque_callback_data: token }),
    }
  })
  return race.deliver(tenant, { statuses })
}

/** Without it two writers read the same attempt, and each overwrites what the other has learnt. */
export const noRecipientLock: Mutation[] = [
  {
    in: 'select id::text, variant, contact_id as "contactId", state',
    replace: String.raw`\s+order by recipients\.campaign_id, recipients\.id for update`,
    by: '',
  },
]

/** Facts that are missing although their status came, and wrong counts. */
export async function lostFacts(race: Race, subject: Sent): Promise<string[]> {
  const rows = await race.sql<{ state: string; facts: string }>(
    `select r.state, concat_ws(', ', case when a.sent_at is not null then 'sent' end, case when a.delivered_at is not null then 'delivered' end,
            case when a.read_at is not null then 'read' end) as facts
     from campaigns.recipients r join campaigns.attempts a on a.id = r.attempt_id where r.campaign_id = $1`,
    [subject.campaignId],
  )
  const fallen = rows.filter(
    ({ state, facts }) => state !== 'read' || facts !== 'sent, delivered, read',
  )
  return [
    ...fallen.map(
      ({ state, facts }) =>
        `a recipient is ${state}, although sent, delivered and read came (${facts || 'none'} is kept)`,
    ),
    ...(await wrongStatistics(race, subject)),
  ]
}
