import { type Invariant, sendTimeoutSeconds } from '../invariant.ts'

/** An attempt is given up after twice the time-out, by a job that runs every 5 s: until then "sending" is right. */
const sendingSeconds = 2 * sendTimeoutSeconds + 10

export const logIsInRows: Invariant = {
  id: 'I3',
  statement:
    'Every accepted POST in the log has an attempt that is accepted … read, failed or unknown, or has been sending for less than 30 s.',
  means:
    'A message went out that the platform does not know of: it is not counted, and may be sent again.',
  rows: 'afterLog',
  needs: 'log',
  checked: `select count(*) from g_posts where outcome = 'accepted'`,
  violations: `
    select case when p.attempt_id is null then 'its token names no attempt'
                when a.id is null then 'its attempt does not exist'
                else 'its attempt is ' || a.outcome end as problem,
           p.seq, p.wamid, p.token, p.phone_number_id, a.claimed_at
    from g_posts p
    left join campaigns.attempts a on a.id = p.attempt_id and a.campaign_id = p.campaign_id
    where p.outcome = 'accepted'
      and (a.id is null
           or not (a.outcome in ('accepted', 'unknown')
                   or (a.outcome = 'sending' and a.claimed_at > now() - interval '${sendingSeconds} seconds')))
    order by p.seq`,
}
