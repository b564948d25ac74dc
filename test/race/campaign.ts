import { phones, type Tenant } from '@lockstep/testing/system'
import type { Race } from './system.ts'

export const people = 40

/** A campaign of a tenant of its own. */
export interface Subject {
  tenant: Tenant
  campaignId: string
}

/** A draft to 40 people. */
export async function draft({ system }: Race): Promise<Subject> {
  const tenant = await system.addTenant()
  await system.importContacts(tenant, phones(people))
  const { id } = await system.clients.campaigns.createCampaign(
    {
      name: 'Spring',
      connectionId: tenant.connectionId,
      templateName: 'spring_offer',
      templateLanguage: 'en_US',
      filter: { tags: ['all'] },
      values: { 'header.1': '{{name}}', 'body.1': '20 %', 'body.2': 'Sunday' },
    },
    tenant,
  )
  return { tenant, campaignId: id }
}

/** Campaigns pause by themselves when they are prepared, so that preparing and sending are raced one at a time. */
export async function holdAfterPreparing({ sql }: Race): Promise<AsyncDisposable> {
  await sql(
    `create or replace function race.pause() returns trigger language plpgsql as $$ begin new.state := 'paused'; return new; end $$`,
  )
  await sql(`create trigger race_pause before update on campaigns.campaigns for each row
    when (old.state = 'preparing' and new.state = 'sending') execute function race.pause()`)
  return {
    [Symbol.asyncDispose]: async () =>
      void (await sql('drop trigger race_pause on campaigns.campaigns')),
  }
}

const recount = {
  recipients: 'true',
  queued: `r.state = 'queued'`,
  sending: `r.state = 'sending'`,
  accepted: `r.state in ('accepted', 'sent', 'delivered', 'read')`,
  sent: 'coalesce(a.sent_at, a.delivered_at, a.read_at) is not null',
  delivered: 'coalesce(a.delivered_at, a.read_at) is not null',
  read: 'a.read_at is not null',
  failed: `r.state = 'failed'`,
}

/** Counters that a recount contradicts, in words. */
export async function wrongStatistics({ sql }: Race, { campaignId }: Subject): Promise<string[]> {
  const counts = Object.entries(recount).map(
    ([counter, which]) => `(count(*) filter (where ${which}))::int as ${counter}`,
  )
  const [counted] = await sql<Record<string, number>>(
    'select * from campaigns.campaign_statistics where campaign_id = $1',
    [campaignId],
  )
  const [rows] = await sql<Record<string, number>>(
    `select ${counts.join(', ')} from campaigns.recipients r left join campaigns.attempts a on a.id = r.attempt_id where r.campaign_id = $1`,
    [campaignId],
  )
  const wrong = Object.keys(recount).filter((counter) => counted![counter] !== rows![counter])
  return wrong.map(
    (counter) => `the statistics say ${counted![counter]} ${counter}, a recount ${rows![counter]}`,
  )
}
