import type { Invariant } from '../invariant.ts'

const pending = `select endpoint_id, subject_id, event_id, next_at from events.webhook_deliveries where state = 'pending'`

/** Ids of an account's events, and deliveries to those who are to get them. */
export const events: Invariant = {
  id: 'I14',
  statement:
    "Each id of an account's events is there once and no greater than its position; an enabled webhook endpoint has a delivery of each event that it follows, and what is pending is going to be posted, the first of each subject first.",
  means:
    'A follower may miss an event, or an integrator never gets one: an event was recorded without its deliveries, or work of the lane events.deliver is lost.',
  rows: 'afterLog',
  needs: 'rows',
  checked: 'select count(*) from events.events',
  violations: `
    select e.account_id, e.id::text as event, 'there twice' as wrong from events.events e
    group by e.account_id, e.id having count(*) > 1
    union all
    select e.account_id, max(e.id)::text, 'past the position' from events.events e
    left join events.event_positions p using (account_id)
    group by e.account_id, p.last_id having max(e.id) > coalesce(p.last_id, 0)
    union all
    select w.account_id, e.id::text, 'no delivery to endpoint ' || w.id from events.webhook_endpoints w
    join events.events e on e.account_id = w.account_id and e.topic = any(w.topics) and e.id > w.follows_after
    where w.enabled and not exists (
      select from events.webhook_deliveries d where d.endpoint_id = w.id and d.event_id = e.id)
    union all
    select w.account_id, min(d.event_id)::text, 'not the one of its subject that is due' from (${pending}) d
    join events.webhook_endpoints w on w.id = d.endpoint_id
    group by w.account_id, d.endpoint_id, d.subject_id
    having count(d.next_at) <> 1 or min(d.event_id) <> min(d.event_id) filter (where d.next_at is not null)
    union all
    select w.account_id, min(d.event_id)::text, 'pending without work for endpoint ' || w.id from (${pending}) d
    join events.webhook_endpoints w on w.id = d.endpoint_id
    where w.enabled and not exists (
      select from events.feed_open f where f.lane = 'events.deliver' and f.key = w.id::text)
      and not exists (
      select from events.feed_dead f where f.lane = 'events.deliver' and f.key = w.id::text)
    group by w.account_id, w.id
    order by 1, 2`,
}
