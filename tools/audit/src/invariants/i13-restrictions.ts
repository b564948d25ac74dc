import type { Invariant } from '../invariant.ts'

/** The slice under way when the restriction became known, with the call that it waits for, and clocks of two machines. */
const margin = `interval '15 seconds'`

export const restrictions: Invariant = {
  id: 'I13',
  statement: `While Meta lets nobody be written to first by a number, its campaigns claim nobody (15 s after it became known), unless a person has ordered them to go on since.`,
  means:
    'A campaign was sent although Meta had forbidden it: the connection was not asked before a slice, or what it said was not heeded.',
  rows: 'afterLog',
  needs: 'rows',
  checked: 'select count(*) from campaigns.attempts',
  violations: `
    select a.account_id, a.campaign_id, count(*) as attempts, min(a.claimed_at) as first_claimed_at, r.noted_at, r.ends_at
    from accounts.restrictions r
    join accounts.connections k on k.id = r.connection_id and k.waba_id = r.waba_id
    join campaigns.campaigns c on c.connection_id = k.id and coalesce(c.resumed_at <= r.noted_at, true)
    join campaigns.attempts a on a.campaign_id = c.id and a.claimed_at > r.noted_at + ${margin} and a.claimed_at < coalesce(r.ends_at, 'infinity')
    where r.type = 'RESTRICTED_BIZ_INITIATED_MESSAGING' and r.lifted_at is null
    group by a.account_id, a.campaign_id, r.noted_at, r.ends_at order by a.campaign_id`,
}
