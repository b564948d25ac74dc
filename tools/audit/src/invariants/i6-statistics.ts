import type { Invariant } from '../invariant.ts'

/** A recipient's state, derived from its newest attempt; one that a person ordered to send again is queued. */
const state = `
  case when a.id is null then r.state
       when a.read_at is not null then 'read'
       when a.delivered_at is not null then 'delivered'
       when a.failed_at is not null then 'failed'
       when a.sent_at is not null then 'sent'
       when a.outcome = 'not_sent' or (a.outcome = 'unknown' and r.state = 'queued') then 'queued'
       else a.outcome end`

const columns = {
  recipients: 'true',
  queued: `state = 'queued'`,
  sending: `state = 'sending'`,
  accepted: `state in ('accepted', 'sent', 'delivered', 'read')`,
  sent: 'coalesce(sent_at, delivered_at, read_at) is not null',
  delivered: 'coalesce(delivered_at, read_at) is not null',
  read: 'read_at is not null',
  failed: `state = 'failed'`,
  rejected: `state = 'rejected'`,
  skipped: `state = 'skipped'`,
  unknown: `state = 'unknown'`,
}
const counts = Object.entries(columns).map(
  ([column, condition]) => `count(*) filter (where ${condition}) as ${column}`,
)
const values = Object.keys(columns).map(
  (column) => `('${column}', s.${column}, coalesce(n.${column}, 0))`,
)

/** The recount starts from the attempts, so that it also finds a recipient whose state is not what its attempts say. */
export const statistics: Invariant = {
  id: 'I6',
  statement:
    "Each campaign's statistics, by variant, equal a recount of its recipients and their newest attempts.",
  means:
    'A count that people see is wrong: a transaction changed rows and not the counters, or changed them twice.',
  rows: 'afterLog',
  needs: 'rows',
  checked: `select count(*) from campaigns.campaigns where state <> 'preparing'`,
  // While a list is made, or taken away again, it changes page by page; it is counted when it is complete, or empty. Of what is
  // kept no longer the statistics stay.
  violations: `
    with recount as (
      select campaign_id, variant, ${counts.join(', ')}
      from (select r.campaign_id, r.variant, a.sent_at, a.delivered_at, a.read_at, ${state} as state
            from campaigns.recipients r left join campaigns.attempts a on a.id = r.attempt_id) recipients
      group by campaign_id, variant
    )
    select c.id as campaign_id, c.state as campaign_state, v.name as counter, v.counted, v.recount
    from campaigns.campaigns c
    left join (campaigns.campaign_statistics s full join recount n using (campaign_id, variant)) on coalesce(s.campaign_id, n.campaign_id) = c.id
    cross join lateral (values ${values.join(', ')}) v(name, counted, recount)
    where c.state <> 'preparing' and c.forgotten_at is null and not exists (select from campaigns.preparations p where p.campaign_id = c.id)
      and v.counted is distinct from v.recount::integer
    order by c.id`,
}
