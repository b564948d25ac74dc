import type { CampaignState, RecipientState } from '@lockstep/contracts'
import { query, queryOne, rowset, sql, type Tx } from '@lockstep/database'
import type { ClaimedMessage, OtherMessage } from '@lockstep/sending'
import { type AttemptKey, keyTable } from './attempts.ts'

export interface ClaimedRecipient extends ClaimedMessage {
  recipientId: string
  variant: number
  values: Record<string, string>
}

/**
 * Claims queued recipients of a sending campaign. Rows are joined by their whole key, or a plan for
 * a short list reads all of a long one.
 */
export async function claimRecipients(
  tx: Tx,
  campaignId: string,
  limit: number,
  fenceToken: string,
): Promise<ClaimedRecipient[]> {
  const rows = await query<ClaimedRecipient>(
    tx,
    sql`with c as (select id from campaigns
                   where id = ${campaignId} and state = 'sending' for share),
             p as (select r.campaign_id, r.id from recipients r
                   where r.campaign_id = ${campaignId} and exists (select from c)
                     and r.state = 'queued' and r.not_before <= now()
                   order by r.not_before desc, r.id limit ${limit} for update of r skip locked),
             a as (insert into attempts (account_id, campaign_id, recipient_id, number, fence,
                                         resend_requested_at)
                   select r.account_id, r.campaign_id, r.id, r.attempts + 1, ${fenceToken}::bigint,
                          r.resend_requested_at
                   from p join recipients r on r.campaign_id = p.campaign_id and r.id = p.id
                   order by r.id
                   returning campaign_id, id, recipient_id, number)
        update recipients r set state = 'sending', reason = '', not_before = null,
          resend_requested_at = null, attempts = a.number, attempt_id = a.id
        from a where r.campaign_id = a.campaign_id and r.id = a.recipient_id
        returning r.id::text as "recipientId", a.id::text as "attemptId",
                  r.contact_id as "contactId", r.phone, r.user_id as "userId", r.values,
                  r.variant, a.number`,
  )
  return rows.sort((a, b) => Number(a.recipientId) - Number(b.recipientId))
}

export interface QueueCounts {
  state: CampaignState
  /** How many recipients could be claimed now, up to the limit that was asked for. */
  ready: number
  /** When the next of those that must wait may be claimed, ms from now; null when none must. */
  nextMs: number | null
  /** Whether any is under way. */
  sending: boolean
}

/** What a campaign has to send. */
export async function queueStatus(tx: Tx, campaignId: string, limit: number): Promise<QueueCounts> {
  const row = await queryOne<QueueCounts>(
    tx,
    sql`select c.state,
               (select count(*)::int from (select 1 from recipients
                 where campaign_id = ${campaignId} and not_before <= now()
                                           order by not_before desc, id limit ${limit}) r) as ready,
               (select (extract(epoch from min(not_before) - now()) * 1000)::float8 from recipients
                where campaign_id = ${campaignId} and not_before > now()) as "nextMs",
               exists (select from attempts where campaign_id = ${campaignId}
                 and outcome = 'sending') as sending
        from campaigns c where c.id = ${campaignId}`,
  )
  return row ?? { state: 'cancelled', ready: 0, nextMs: null, sending: false }
}

export interface LockedRecipient {
  id: string
  variant: number
  campaignId: string
  contactId: string
  state: RecipientState
  attemptId: string
}

/**
 * Locks the recipients of attempts by primary key; whoever holds a recipient may change its
 * attempts.
 */
export function lockRecipientsOf(tx: Tx, keys: AttemptKey[]): Promise<LockedRecipient[]> {
  return query(
    tx,
    sql`select id::text, variant, contact_id as "contactId", state,
          attempt_id::text as "attemptId", campaign_id as "campaignId" from recipients
        where (campaign_id, id) in (select a.campaign_id, a.recipient_id
                                    from ${keyTable(keys)}
                                      join attempts a on a.campaign_id = v.campaign_id
                                        and a.id = v.attempt_id)
        order by recipients.campaign_id, recipients.id for update`,
  )
}

export interface RecipientChange {
  campaignId: string
  id: string
  state: RecipientState
  reason: string
  /** For `queued`: when it may be claimed again; null: at once. */
  notBefore: Date | null
  /** Where it went, when that was another address than the recipient's. */
  sentTo: { phone: string; userId: string } | null
}

const changeColumns = {
  campaignId: 'uuid',
  id: 'bigint',
  state: 'text',
  reason: 'text',
  notBefore: 'timestamptz',
  phone: 'text',
  userId: 'text',
} as const

export async function writeRecipients(tx: Tx, changes: RecipientChange[]): Promise<void> {
  if (changes.length === 0) return
  const rows = changes.map(({ sentTo, ...change }) => ({ ...change, ...sentTo }))
  await sql`update recipients r set state = v.state, reason = v.reason,
      not_before = case when v.state = 'queued' then coalesce(v.not_before, now()) end,
      phone = coalesce(v.phone, r.phone), user_id = coalesce(v.user_id, r.user_id)
    from ${rowset(rows, changeColumns)}
    where r.campaign_id = v.campaign_id and r.id = v.id`.execute(tx.sql)
}

/** Which of these contacts are recipients of a campaign too, and what became of their messages. */
export function recipientsOfContacts(
  tx: Tx,
  campaignId: string,
  contactIds: string[],
): Promise<OtherMessage[]> {
  return query(
    tx,
    sql`select r.contact_id as "contactId", case when r.state = 'sending' then r.attempt_id::text
          end as "sendingId",
               r.state = 'unknown' or exists (select from attempts a
                 where a.campaign_id = r.campaign_id and a.recipient_id = r.id
                 and a.outcome = 'accepted' and (a.failed_at is null or a.delivered_at is not null
                   or a.read_at is not null)) as "mayHaveArrived"
        from recipients r where r.campaign_id = ${campaignId}
          and r.contact_id = any(${contactIds}::uuid[])`,
  )
}

/**
 * Puts recipients whose attempt is unknown back into the queue: those that are named, or all whose
 * claim is older than `before`.
 */
export function queueUnknown(
  tx: Tx,
  campaignId: string,
  named: string[],
  before: Date,
): Promise<{ id: string; variant: number }[]> {
  const which =
    named.length > 0 ? sql`r.id = any(${named}::bigint[])` : sql`a.claimed_at < ${before}`
  return query(
    tx,
    sql`with chosen as (select r.id from attempts a
          join recipients r on r.campaign_id = a.campaign_id and r.id = a.recipient_id
                        where a.campaign_id = ${campaignId} and a.outcome = 'unknown'
                          and r.attempt_id = a.id and r.state = 'unknown' and ${which}
                        order by r.id for update of r)
        update recipients r set state = 'queued', reason = 'to be sent again on a person''s order',
          not_before = now(), resend_requested_at = now()
        from chosen where r.campaign_id = ${campaignId} and r.id = chosen.id
          returning r.id::text, r.variant`,
  )
}
