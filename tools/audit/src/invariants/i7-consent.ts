import type { Invariant } from '../invariant.ts'
import { loadSaid } from '../said.ts'

/**
 * The timestamp of a commit is taken a moment before others see the commit: the log must reach the disk in between. Two
 * commits closer than this may have been seen in the other order.
 */
const margin = `interval '1 second'`

/** So long after a webhook was answered 200 what it said is known to whoever checks, at the latest. */
const heardWithin = `interval '30 seconds'`

/** Marketing is what Meta does not call otherwise. */
const isMarketing = `coalesce(category, '') not in ('UTILITY', 'AUTHENTICATION')`

const committed = (xid: string) => `pg_xact_commit_timestamp(${xid})`

/**
 * I7 promises that a consent check which began after the commit of an opt-out prevents the POST. When the check began stands
 * nowhere, but it begins after its claim is committed, and that can be read from `claim_xid`. So whatever is found here is a
 * violation; an opt-out that was committed in the milliseconds between the claim and the check is not seen.
 *
 * It also counts from the 200 of a stop, whatever became of its part. When a check began is at least when its claim was committed, so
 * nobody is accused wrongly, and a check that began late is missed by no more than a claim lives. What came while the number was
 * nobody's counts from the connection: at once for that number, which may not send before; after 30 s for the account's others.
 *
 * A person is the contact that the recipient was and the number or user id that was written to: what other identities said
 * before a later merge was not known then.
 */
export const consent: Invariant = {
  id: 'I7',
  statement:
    'No marketing POST whose claim was committed after the opt-out or block of its contact (by more than 1 s), or more than 30 s after the webhook that said stop was answered 200, and not taken back.',
  means:
    'Somebody who had said stop was written to: the consent check was skipped, cached or answered wrongly, or sending did not wait until replies were heard.',
  rows: 'afterLog',
  needs: 'log',
  blocked: `select case when current_setting('track_commit_timestamp') = 'off'
                   then 'PostgreSQL runs with track_commit_timestamp = off: when a transaction was committed is not known' end`,
  prepare: loadSaid,
  checked: `select count(*) from g_posts where ${isMarketing} and attempt_id is not null`,
  violations: `
    with posts as (
      select p.seq, p.at_ms, p.phone_number_id, a.id as attempt_id, r.account_id, r.contact_id, n.name, ${committed('a.claim_xid::xid')} as claimed_at,
             r.account_id || ' ' || n.name as person
      from g_posts p
      join campaigns.attempts a on a.id = p.attempt_id and a.campaign_id = p.campaign_id
      join campaigns.recipients r on r.id = a.recipient_id
      cross join lateral (values (r.contact_id::text), (nullif(r.phone, '')), (nullif(r.user_id, '')), (ltrim(p.recipient, '+'))) n(name)
      where ${isMarketing} and n.name is not null
    ), said as (
      select k.kind, k.via, k.evidence, k.said_at, ${committed('k.xmin')} as committed_at, k.account_id || ' ' || n.name as person
      from contacts.consents k cross join lateral (values (k.contact_id::text), (k.match_key)) n(name)
    ), ignored as materialized (
      select 1 as rule, p.*, stop.kind, stop.via, stop.evidence, stop.said_at, stop.committed_at as known_at, null::timestamptz as received_at
      from posts p join said stop using (person)
      where stop.kind in ('opt_out', 'block') and stop.committed_at + ${margin} < p.claimed_at
      union all
      select 2, p.*, stop.kind, stop.via, stop.evidence, stop.said_at, since.at, stop.received_at
      from posts p join g_said stop on stop.account_id = p.account_id and stop.person = p.name
      cross join lateral (
        select max(case when stop.received_at + ${margin} >= i.connected_at then stop.received_at + ${heardWithin}
                        when i.phone_number_id = p.phone_number_id then i.connected_at
                        else i.connected_at + ${heardWithin} end) as at
        from accounts.connections_between(array[stop.number], '{}', p.claimed_at, p.claimed_at) i where i.account_id = p.account_id) since
      where stop.kind = 'opt_out' and since.at < p.claimed_at
    )
    select distinct on (seq) seq, attempt_id, contact_id, kind, via, evidence, said_at, known_at as stop_known_at,
           received_at as stop_received_at, claimed_at, to_timestamp(at_ms / 1000.0) as posted_at
    from ignored i
    where not exists (
        select from said back
        where back.person = i.person and back.said_at > i.said_at
          and back.kind = case i.kind when 'opt_out' then 'opt_in' else 'unblock' end
          and (back.committed_at is null or back.committed_at < to_timestamp(i.at_ms / 1000.0) + ${margin}))
      and not exists (
        select from g_said back
        where i.kind = 'opt_out' and back.account_id = i.account_id and back.person = i.name and back.kind = 'opt_in'
          and back.said_at > i.said_at and back.received_at < to_timestamp(i.at_ms / 1000.0))
    order by seq, rule, said_at desc`,
  gap: `
    select count(*) || ' claims are older than the commit timestamps that PostgreSQL keeps'
    from campaigns.attempts where ${committed('claim_xid::xid')} is null having count(*) > 0`,
}
