import type { Invariant } from '../invariant.ts'

/**
 * The timestamp of a commit is taken a moment before others see the commit: the log must reach the disk in between. Two
 * commits closer than this may have been seen in the other order.
 */
const margin = `interval '1 second'`

const committed = (xid: string) => `pg_xact_commit_timestamp(${xid})`

/**
 * I7 promises that a consent check which began after the commit of an opt-out prevents the POST. When the check began stands
 * nowhere, but it begins after its claim is committed, and that can be read from `claim_xid`. So whatever is found here is a
 * violation; an opt-out that was committed in the milliseconds between the claim and the check is not seen.
 *
 * A person is the contact that the recipient was and the number or user id that was written to: what other identities said
 * before a later merge was not known then.
 */
export const consent: Invariant = {
  id: 'I7',
  statement:
    'No marketing POST whose claim was committed after the opt-out or block of its contact (by more than 1 s, and not taken back).',
  means: 'Somebody who had said stop was written to: the consent check was skipped, cached or answered wrongly.',
  rows: 'afterLog',
  needs: 'log',
  blocked: `select case when current_setting('track_commit_timestamp') = 'off'
                   then 'PostgreSQL runs with track_commit_timestamp = off: when a transaction was committed is not known' end`,
  checked: `select count(*) from g_posts where category = 'MARKETING' and attempt_id is not null`,
  violations: `
    with posts as (
      select p.seq, p.at_ms, a.id as attempt_id, r.contact_id, ${committed('a.claim_xid::xid')} as claimed_at,
             r.account_id || ' ' || n.name as person
      from g_posts p
      join campaigns.attempts a on a.id = p.attempt_id and a.campaign_id = p.campaign_id
      join campaigns.recipients r on r.id = a.recipient_id
      cross join lateral (values (r.contact_id::text), (nullif(r.phone, '')), (nullif(r.user_id, ''))) n(name)
      where p.category = 'MARKETING' and n.name is not null
    ), said as (
      select k.kind, k.via, k.evidence, k.said_at, ${committed('k.xmin')} as committed_at, k.account_id || ' ' || n.name as person
      from contacts.consents k cross join lateral (values (k.contact_id::text), (k.match_key)) n(name)
    ), ignored as materialized (
      select p.*, stop.kind, stop.via, stop.evidence, stop.said_at, stop.committed_at as stop_committed_at
      from posts p join said stop using (person)
      where stop.kind in ('opt_out', 'block') and stop.committed_at + ${margin} < p.claimed_at
    )
    select distinct on (seq) seq, attempt_id, contact_id, kind, via, evidence, said_at, stop_committed_at, claimed_at,
           to_timestamp(at_ms / 1000.0) as posted_at
    from ignored i
    where not exists (
      select from said back
      where back.person = i.person and back.said_at > i.said_at
        and back.kind = case i.kind when 'opt_out' then 'opt_in' else 'unblock' end
        and (back.committed_at is null or back.committed_at < to_timestamp(i.at_ms / 1000.0) + ${margin}))
    order by seq, said_at desc`,
  gap: `
    select count(*) || ' claims are older than the commit timestamps that PostgreSQL keeps'
    from campaigns.attempts where ${committed('claim_xid::xid')} is null having count(*) > 0`,
}
