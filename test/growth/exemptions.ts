/** A statement that may go through a table that grows, and why that costs nothing that grows. */
export interface Exemption {
  table: string
  /** What the statement holds, white space as one space. */
  text: string
  reason: string
}

export const exemptions: readonly Exemption[] = [
  {
    table: 'connections',
    text: 'from connections c where c.app_id = a.id',
    reason:
      'The answer is all numbers of one app; the gateway asks for one app at a time and keeps it.',
  },
  {
    table: 'recipients',
    text: 'from (select id from recipients where campaign_id = $1 and id > $2::bigint order by id limit $3) page',
    reason:
      'Ends after 20,000 recipients at the latest: the page of a state may end before it is full.',
  },
  {
    table: 'recipients',
    text: 'from recipients r left join lateral (select wamid, claimed_at from attempts',
    reason: 'Looks at no more than the 20,000 recipients of a page.',
  },
  {
    table: 'webhook_parts',
    text: '(select id, received_at, outcome from webhook_parts order by id desc limit $1)',
    reason: 'Looks at the newest 20,000 parts at most.',
  },
  {
    table: 'events',
    text: 'insert into webhook_deliveries as d (endpoint_id, event_id, account_id, topic, kind, subject_id, occurred_at) select $1::uuid, e.id',
    reason:
      "A person's order, at most 10,000 events; it passes over those of the moment's day that came before it.",
  },
  {
    table: 'webhook_deliveries',
    text: 'with first as materialized ( select subject_id',
    reason: 'Looks at the first of each subject of a replay, which is at most 10,000 events.',
  },
  {
    table: 'idempotency_keys',
    text: 'from idempotency_keys where created_at < before order by account_id, key limit most',
    reason: 'Once in ten minutes, in the background; ordered by created_at it would need no scan.',
  },
]
