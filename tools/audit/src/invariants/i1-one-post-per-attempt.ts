import type { Invariant } from '../invariant.ts'

/** A further attempt is a second message to the same person unless the first did not arrive, or a person ordered it (`resend_requested_at`). */
export const onePostPerAttempt: Invariant = {
  id: 'I1',
  statement:
    'Meta accepted at most one POST per attempt, and a further attempt exists only after one that was not sent, rejected or failed, or by order.',
  means: 'Somebody was written to twice.',
  rows: 'afterLog',
  needs: 'log',
  checked: `select (select count(*) from g_posts where outcome = 'accepted') + (select count(*) from campaigns.attempts where number > 1)`,
  violations: `
    select 'accepted ' || count(*) || ' times' as problem, campaign_id, attempt_id, null::bigint as recipient_id,
           array_agg(wamid order by seq) as wamids
    from g_posts where outcome = 'accepted' and attempt_id is not null
    group by campaign_id, attempt_id having count(*) > 1
    union all
    select 'further attempt after one that ' || case
             when before.id is null then 'does not exist'
             when before.outcome = 'accepted' then 'was accepted and did not fail'
             else 'is ' || before.outcome end,
           later.campaign_id, later.id, later.recipient_id, array[before.wamid, later.wamid]
    from campaigns.attempts later
    left join campaigns.attempts before on before.recipient_id = later.recipient_id and before.number = later.number - 1
    where later.number > 1 and later.resend_requested_at is null
      and (before.id is null or not (before.outcome in ('not_sent', 'rejected') or before.failed_at is not null))`,
}
