import type { Invariant } from '../invariant.ts'

export const acceptedIsInLog: Invariant = {
  id: 'I2',
  statement:
    'Every attempt that is accepted, sent, delivered, read or failed after that has its POST in the log, with the same wamid.',
  means:
    'The platform claims that a message went out which Meta never accepted, or credits it to the wrong attempt.',
  rows: 'beforeLog',
  needs: 'log',
  checked: `select count(*) from campaigns.attempts where outcome = 'accepted'`,
  violations: `
    select case when a.outcome <> 'accepted' then 'has facts or a wamid, but its outcome is ' || a.outcome
                when a.wamid is null then 'has no wamid'
                when p.wamid is null then 'its wamid is no accepted POST'
                else 'its wamid is the POST of another attempt' end as problem,
           a.id as attempt_id, a.campaign_id, a.outcome, a.wamid, p.attempt_id as attempt_id_in_log
    from campaigns.attempts a
    left join g_posts p on p.wamid = a.wamid and p.outcome = 'accepted'
    where (a.outcome = 'accepted' or coalesce(a.accepted_at, a.sent_at, a.delivered_at, a.read_at, a.failed_at) is not null or a.wamid is not null)
      and (a.outcome <> 'accepted' or p.wamid is null or (p.campaign_id, p.attempt_id) is distinct from (a.campaign_id, a.id))
    order by a.id`,
}
