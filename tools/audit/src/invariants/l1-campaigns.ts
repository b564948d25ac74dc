import type { Invariant } from '../invariant.ts'

/** Null is "not known" to `greatest`; without commit timestamps every row looks new, so that nothing is accused (see `gap`). */
const committed = (xmin: string) =>
  `case when current_setting('track_commit_timestamp') = 'on' then pg_xact_commit_timestamp(${xmin}) else now() end`

/**
 * When the faults stopped, and how much of a connection's limit others used since, stands nowhere. So it is not the whole
 * duration that is judged but the standing still: a campaign that goes on at its rate is final in time, one that stands is
 * not. Claims count for all campaigns of the connection, for they share its limit: who is refused a slot waits rightly.
 *
 * A campaign's row is written when its state changes only, so that its commit is the moment of a start, a resume or the end
 * of preparing; a list that is being prepared shows by its newest row that it grows.
 */
export const campaignsEnd: Invariant = {
  id: 'L1',
  statement:
    'Once all is done, a campaign that is preparing or sending has an open entry in its lane and does not stand still: within 120 s its list grows or somebody is claimed for its number, unless all who are left wait for a later time. Nobody is queued in one that is completed.',
  means:
    'A campaign will not end by itself: nobody works on it, or whoever does gets nothing done. Paused is no such state.',
  rows: 'afterLog',
  needs: 'rows',
  onlySettled: true,
  checked: 'select count(*) from campaigns.campaigns',
  violations: ({ finalSeconds }) => `
    with active as (
      select id, state, connection_id, started_at, ${committed('xmin')} as ordered_at
      from campaigns.campaigns where state in ('preparing', 'sending')
    ), entries as (
      select key, count(*) filter (where reason is null) as open, max(created_at) as asked_at, max(reason) as dead_reason
      from (select key, created_at, null as reason from campaigns.feed_open where lane = 'campaigns.run'
            union all select key, created_at, reason from campaigns.feed_dead where lane = 'campaigns.run') e group by key
    ), people as (
      select c.id, count(*) filter (where r.is_due) as due, count(*) filter (where r.state = 'queued' and not r.is_due) as later,
             count(*) filter (where r.state = 'sending') as under_way,
             min(coalesce(r.not_before, '-infinity')) filter (where r.is_due) as due_since,
             max(r.listed_at) filter (where c.state = 'preparing') as listed_at
      from active c
      join (select campaign_id, state, not_before, state = 'queued' and (not_before is null or not_before <= now()) as is_due,
                   ${committed('xmin')} as listed_at
            from campaigns.recipients) r on r.campaign_id = c.id
      group by c.id
    ), claims as (
      select c.connection_id, max(a.claimed_at) as claimed_at
      from campaigns.attempts a join campaigns.campaigns c on c.id = a.campaign_id
      where c.connection_id in (select connection_id from active) group by c.connection_id
    ), judged as (
      select c.id, c.state, coalesce(e.open, 0) as open, e.dead_reason, coalesce(p.due, 0) as due, coalesce(p.later, 0) as later,
             coalesce(p.under_way, 0) as under_way,
             greatest(c.started_at, c.ordered_at, e.asked_at, p.listed_at, n.claimed_at, p.due_since) as last_sign
      from active c
      left join entries e on e.key = c.id::text
      left join people p on p.id = c.id
      left join claims n on n.connection_id = c.connection_id and c.state = 'sending'
    )
    select 'is completed although somebody waits' as problem, c.id as campaign_id, c.state as campaign_state,
           count(*) as due, 0 as under_way, 0 as later, max(c.finished_at) as last_sign
    from campaigns.campaigns c join campaigns.recipients r on r.campaign_id = c.id and r.state = 'queued'
    where c.state = 'completed' group by c.id
    union all
    select case when open > 0 then 'gets nothing done' when dead_reason is null then 'has no entry in its lane'
                else 'its entry is dead: ' || dead_reason end as problem,
           id as campaign_id, state as campaign_state, due, under_way, later, last_sign
    from judged
    where open = 0
       or (last_sign < now() - interval '${finalSeconds} seconds' and (due > 0 or under_way > 0 or later = 0))
    order by campaign_id`,
  gap: `
    select 'campaigns that get nothing done: PostgreSQL runs with track_commit_timestamp = off, so that their last order is not known'
    where current_setting('track_commit_timestamp') = 'off'`,
}
