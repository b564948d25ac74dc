import { draft, holdAfterPreparing, people, type Subject, wrongStatistics } from './campaign.ts'
import { duplicates, type Guard, noFence, overlaps, scenario } from './scenario.ts'

/** Without it whoever has read a page adds it, although another one has come further meanwhile. */
export const noCursor = {
  is: 'a page is added only while the cursor stands where its reader found it',
  statements: [
    {
      in: 'update preparations set after_contact',
      replace: ' and not listed and after_contact = ',
      by: ` and '' <= `,
    },
    {
      in: 'update preparations set listed',
      replace: ' and not listed and after_contact = ',
      by: ` and '' <= `,
    },
  ],
} satisfies Guard

/** Several processes freeze the audience of one campaign. */
export const campaignPrepareRecipients = scenario<Subject>({
  lock: 'campaign_prepare_recipients',
  operation: "freeze a campaign's audience",
  guards: {
    lock: { is: 'campaign_prepare_recipients:{id}', locks: ['campaign_prepare_recipients'] },
    lane: { is: 'campaigns.run, one a campaign', lanes: ['campaigns.run'] },
    fence: { is: 'fence at each batch and at the end', statements: noFence },
    rows: {
      is: 'unique (campaign, contact), pages are added from the cursor on and only while the campaign is being prepared',
      statements: [
        {
          in: 'insert into recipients',
          replace: String.raw`on conflict \(campaign_id, contact_id\) do update.*`,
          by: 'where not exists (select from recipients r where r.contact_id = p.contact_id)',
        },
        {
          in: 'select 1 from campaigns',
          replace: " and state = 'preparing' for (share|no key update)",
          by: '',
        },
        ...noCursor.statements,
      ],
      drop: [
        'alter table campaigns.recipients drop constraint recipients_campaign_id_contact_id_key',
      ],
      restore: [
        'truncate campaigns.recipients, campaigns.attempts',
        'alter table campaigns.recipients add unique (campaign_id, contact_id)',
      ],
    },
  },
  slow: [{ table: 'campaigns.recipients', on: 'insert', seconds: 0.2 }],
  prepare: draft,
  async collide(race, { tenant, campaignId }) {
    await using _paused = await holdAfterPreparing(race)
    await race.system.clients.campaigns.startCampaign({ id: campaignId }, tenant)
    await race.go('campaigns.run', campaignId)
    await race.settled()
  },
  async conflicts(race, subject) {
    const { campaignId } = subject
    const conflicts = await duplicates(
      race,
      'campaigns.recipients',
      'contact_id',
      'campaign_id = $1',
      [campaignId],
    )
    const [list] = await race.sql<{ n: number }>(
      'select count(distinct contact_id)::int as n from campaigns.recipients where campaign_id = $1',
      [campaignId],
    )
    if (list!.n !== people) conflicts.push(`the list holds ${list!.n} people of ${people}`)
    return [
      ...conflicts,
      ...(await wrongStatistics(race, subject)),
      ...(await overlaps(race, 'recipients')),
    ]
  },
})
