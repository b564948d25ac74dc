import { query, queryOne, sql, type Tx } from '@lockstep/database'
import type { ClaimedMessage, OtherMessage, RecipientState } from '@lockstep/sending'
import { type AttemptKey, keyTable } from './attempts.ts'
import type { Campaign } from './entities.ts'

export interface NewRecipient {
  contactId: string
  phone: string
  userId: string
  values: Record<string, string>
  state: 'queued' | 'skipped'
  reason: string
}

/** Puts people on a campaign's list under a run; those whom an earlier run that was cut short has put there are taken over. */
export async function insertRecipients(
  tx: Tx,
  campaignId: string,
  runId: string,
  people: NewRecipient[],
): Promise<void> {
  const sorted = people.toSorted((a, b) => (a.contactId < b.contactId ? -1 : 1))
  await sql`insert into recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, reason, not_before)
    select ${tx.accountId}::uuid, ${campaignId}::uuid, p.contact_id, ${runId}::uuid, p.phone, p.user_id, p.values::jsonb, p.state, p.reason,
           case when p.state = 'queued' then '-infinity'::timestamptz end
    from unnest(${sorted.map((p) => p.contactId)}::uuid[], ${sorted.map((p) => p.phone)}::text[], ${sorted.map((p) => p.userId)}::text[],
                ${sorted.map((p) => JSON.stringify(p.values))}::text[], ${sorted.map((p) => p.state)}::text[], ${sorted.map((p) => p.reason)}::text[])
         p(contact_id, phone, user_id, values, state, reason)
    on conflict (campaign_id, contact_id) do update
      set run_id = excluded.run_id, phone = excluded.phone, user_id = excluded.user_id, values = excluded.values,
          state = excluded.state, reason = excluded.reason, not_before = excluded.not_before`.execute(
    tx.sql,
  )
}

/** Whether anybody stands on a campaign's list. */
export async function hasRecipients(tx: Tx, campaignId: string): Promise<boolean> {
  return (
    (await queryOne(tx, sql`select from recipients where campaign_id = ${campaignId} limit 1`)) !==
    undefined
  )
}

/** The last of the next recipients in id order, at most `limit` of them; null when there are none. */
async function endOfPage(
  tx: Tx,
  campaignId: string,
  after: string,
  limit: number,
): Promise<{ id: string; rows: number } | null> {
  const row = await queryOne<{ id: string | null; rows: number }>(
    tx,
    sql`select max(id)::text as id, count(*)::int as rows
        from (select id from recipients where campaign_id = ${campaignId} and id > ${after}::bigint order by id limit ${limit}) page`,
  )
  return row?.id ? { id: row.id, rows: row.rows } : null
}

/**
 * Takes people off a list that was never sent to, a page of it by primary key; of a run's list only those whom another run
 * has put there. Answers the last recipient of the page, or null when the list is at its end.
 */
export async function removePage(
  tx: Tx,
  {
    campaignId,
    after,
    limit,
    otherThanRun,
  }: { campaignId: string; after: string; limit: number; otherThanRun?: string },
): Promise<string | null> {
  const end = await endOfPage(tx, campaignId, after, limit)
  if (!end) return null
  const others = otherThanRun === undefined ? sql`` : sql` and run_id <> ${otherThanRun}`
  await sql`delete from recipients where campaign_id = ${campaignId} and id > ${after}::bigint and id <= ${end.id}::bigint and attempts = 0${others}`.execute(
    tx.sql,
  )
  return end.rows < limit ? null : end.id
}

/** Takes a page of recipients and their attempts away for good; answers the last of them, or null when it was the last page. */
export async function forgetPage(
  tx: Tx,
  campaignId: string,
  after: string,
  limit: number,
): Promise<string | null> {
  const end = await endOfPage(tx, campaignId, after, limit)
  if (!end) return null
  const inPage = (column: string) =>
    sql`${sql.ref(column)} > ${after}::bigint and ${sql.ref(column)} <= ${end.id}::bigint`
  await sql`delete from attempts where campaign_id = ${campaignId} and ${inPage('recipient_id')}`.execute(
    tx.sql,
  )
  await sql`delete from recipients where campaign_id = ${campaignId} and ${inPage('id')}`.execute(
    tx.sql,
  )
  return end.rows < limit ? null : end.id
}

export interface Claimed extends ClaimedMessage {
  recipientId: string
  variant: number
  values: Record<string, string>
}

/**
 * Claims queued recipients of a sending campaign, each with a new attempt; committed before the first byte goes to Meta.
 * A pause that is committing makes it wait and then claim nothing. Rows are joined by their whole key, with no campaign named beside
 * it: else a plan for a short list reads the whole of a long one for each claim.
 */
export async function claimRecipients(
  tx: Tx,
  campaignId: string,
  limit: number,
  fenceToken: string,
): Promise<Claimed[]> {
  const rows = await query<Claimed>(
    tx,
    sql`with c as (select id from campaigns where id = ${campaignId} and state = 'sending' for share),
             p as (select r.campaign_id, r.id from recipients r
                   where r.campaign_id = ${campaignId} and exists (select from c) and r.state = 'queued' and r.not_before <= now()
                   order by r.not_before desc, r.id limit ${limit} for update of r skip locked),
             a as (insert into attempts (account_id, campaign_id, recipient_id, number, fence, ordered_at)
                   select r.account_id, r.campaign_id, r.id, r.attempts + 1, ${fenceToken}::bigint, r.ordered_at
                   from p join recipients r on r.campaign_id = p.campaign_id and r.id = p.id order by r.id
                   returning campaign_id, id, recipient_id, number)
        update recipients r set state = 'sending', reason = '', not_before = null, ordered_at = null, attempts = a.number, attempt_id = a.id
        from a where r.campaign_id = a.campaign_id and r.id = a.recipient_id
        returning r.id::text as "recipientId", a.id::text as "attemptId", r.contact_id as "contactId", r.phone,
                  r.user_id as "userId", r.values, r.variant, a.number`,
  )
  return rows.sort((a, b) => Number(a.recipientId) - Number(b.recipientId))
}

export interface Waiting {
  state: Campaign['state']
  /** How many recipients could be claimed now, up to the limit that was asked for. */
  ready: number
  /** When the next of those that must wait may be claimed, ms from now; null when none must. */
  nextMs: number | null
  /** Whether any is under way. */
  sending: boolean
}

/** What a campaign waits for. */
export async function waiting(tx: Tx, campaignId: string, limit: number): Promise<Waiting> {
  const row = await queryOne<Waiting>(
    tx,
    sql`select c.state,
               (select count(*)::int from (select 1 from recipients where campaign_id = ${campaignId} and not_before <= now()
                                           order by not_before desc, id limit ${limit}) r) as ready,
               (select (extract(epoch from min(not_before) - now()) * 1000)::float8 from recipients
                where campaign_id = ${campaignId} and not_before > now()) as "nextMs",
               exists (select from attempts where campaign_id = ${campaignId} and outcome = 'sending') as sending
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

/** Locks the recipients of attempts by primary key; whoever holds a recipient may change its attempts. */
export function lockRecipientsOf(tx: Tx, keys: AttemptKey[]): Promise<LockedRecipient[]> {
  return query(
    tx,
    sql`select id::text, variant, contact_id as "contactId", state, attempt_id::text as "attemptId", campaign_id as "campaignId" from recipients
        where (campaign_id, id) in (select a.campaign_id, a.recipient_id
                                    from ${keyTable(keys)} join attempts a on a.campaign_id = v.campaign_id and a.id = v.id)
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

export async function writeRecipients(tx: Tx, changes: RecipientChange[]): Promise<void> {
  if (changes.length === 0) return
  await sql`update recipients r set state = v.state, reason = v.reason,
      not_before = case when v.state = 'queued' then coalesce(v.not_before, now()) end,
      phone = coalesce(v.phone, r.phone), user_id = coalesce(v.user_id, r.user_id)
    from unnest(${changes.map((c) => c.campaignId)}::uuid[], ${changes.map((c) => c.id)}::bigint[], ${changes.map((c) => c.state)}::text[],
                ${changes.map((c) => c.reason)}::text[], ${changes.map((c) => c.notBefore?.toISOString() ?? null)}::timestamptz[],
                ${changes.map((c) => c.sentTo?.phone ?? null)}::text[], ${changes.map((c) => c.sentTo?.userId ?? null)}::text[])
         v(campaign_id, id, state, reason, not_before, phone, user_id)
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
    sql`select r.contact_id as "contactId", case when r.state = 'sending' then r.attempt_id::text end as "sendingId",
               r.state = 'unknown' or exists (select from attempts a where a.campaign_id = r.campaign_id and a.recipient_id = r.id
                 and a.outcome = 'accepted' and (a.failed_at is null or a.delivered_at is not null or a.read_at is not null)) as written
        from recipients r where r.campaign_id = ${campaignId} and r.contact_id = any(${contactIds}::uuid[])`,
  )
}

/** Puts recipients whose attempt is unknown back into the queue: those that are named, or all whose claim is older than `before`. */
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
    sql`with chosen as (select r.id from attempts a join recipients r on r.campaign_id = a.campaign_id and r.id = a.recipient_id
                        where a.campaign_id = ${campaignId} and a.outcome = 'unknown' and r.attempt_id = a.id and r.state = 'unknown' and ${which}
                        order by r.id for update of r)
        update recipients r set state = 'queued', reason = 'to be sent again on a person''s order', not_before = now(), ordered_at = now()
        from chosen where r.campaign_id = ${campaignId} and r.id = chosen.id returning r.id::text, r.variant`,
  )
}

export interface ListedRecipient {
  id: string
  contactId: string
  phone: string
  state: string
  reason: string
  wamid: string
  attempts: number
  claimedAt: Date | null
  wasOrdered: boolean
}

/** So many recipients are looked at for those of one state, at most: a page may end before it is full. */
const maxLookedAt = 20_000

/** A page of a campaign's recipients in id order, and where the next one begins; null after the last. */
export async function recipientPage(
  tx: Tx,
  {
    campaignId,
    state,
    after,
    limit,
  }: { campaignId: string; state: string; after: string; limit: number },
): Promise<{ rows: ListedRecipient[]; next: string | null }> {
  const end = await endOfPage(tx, campaignId, after, state ? maxLookedAt : limit)
  if (!end) return { rows: [], next: null }
  const rows = await query<ListedRecipient>(
    tx,
    sql`select r.id::text, r.contact_id as "contactId", r.phone, r.state, r.reason, coalesce(a.wamid, '') as wamid, r.attempts,
               a.claimed_at as "claimedAt",
               exists (select from attempts o where o.campaign_id = r.campaign_id and o.recipient_id = r.id and o.ordered_at is not null) as "wasOrdered"
        from recipients r
        left join lateral (select wamid, claimed_at from attempts where campaign_id = r.campaign_id and id = r.attempt_id limit 1) a on true
        where r.campaign_id = ${campaignId} and r.id > ${after}::bigint and r.id <= ${end.id}::bigint
          ${state ? sql`and r.state = ${state}` : sql``}
        order by r.id limit ${limit}`,
  )
  if (rows.length === limit) return { rows, next: rows.at(-1)!.id }
  return { rows, next: end.rows === maxLookedAt ? end.id : null }
}
