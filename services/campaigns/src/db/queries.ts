import { AppError } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'
import { LockMode } from '@mikro-orm/core'
import type { Attempt, RecipientState } from '../attempt.ts'
import { type Statistics, statisticsColumns } from '../statistics.ts'
import { type Campaign, CampaignSchema } from './entities.ts'

/** The account's campaign; `notFound` also for another account's. `lock` holds its row until the commit. */
export async function findCampaign(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<Campaign> {
  const lockMode = options.lock ? LockMode.PESSIMISTIC_WRITE : undefined
  const campaign = await tx.em.findOne(CampaignSchema, { id, accountId: tx.accountId! }, { lockMode })
  if (!campaign) throw new AppError('notFound', `There is no campaign ${id}`)
  return campaign
}

/** Whose a campaign is, before the tenant is known. */
export function campaignOwner(tx: Tx, id: string): Promise<{ accountId: string; connectionId: string } | undefined> {
  return queryOne(tx, sql`select account_id as "accountId", connection_id as "connectionId" from campaign_owner(${id})`)
}

export async function readStatistics(tx: Tx, campaignIds: string[]): Promise<Map<string, Statistics>> {
  const rows = await query<Statistics & { campaignId: string }>(
    tx,
    sql`select campaign_id as "campaignId", ${sql.join(statisticsColumns.map((column) => sql.ref(column)))}
        from campaign_statistics where account_id = ${tx.accountId} and campaign_id = any(${campaignIds}::uuid[])`,
  )
  return new Map(rows.map(({ campaignId, ...statistics }) => [campaignId, statistics]))
}

/** Adds to a campaign's counters. Always the last statement of a transaction: everybody waits for this row. */
export async function addStatistics(tx: Tx, campaignId: string, delta: Statistics): Promise<void> {
  const changed = statisticsColumns.filter((column) => delta[column] !== 0)
  if (changed.length === 0) return
  const sets = changed.map((column) => sql`${sql.ref(column)} = campaign_statistics.${sql.ref(column)} + ${delta[column]}`)
  await sql`update campaign_statistics set ${sql.join(sets)} where campaign_id = ${campaignId}`.execute(tx.sql)
}

export interface NewRecipient {
  contactId: string
  phone: string
  userId: string
  values: Record<string, string>
  state: 'queued' | 'skipped'
  reason: string
}

/** Puts people on a campaign's list under a run; those whom an earlier run that was cut short has put there are taken over. */
export async function insertRecipients(tx: Tx, campaignId: string, runId: string, people: NewRecipient[]): Promise<void> {
  const sorted = people.toSorted((a, b) => (a.contactId < b.contactId ? -1 : 1))
  await sql`insert into recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, reason)
    select ${tx.accountId}::uuid, ${campaignId}::uuid, p.contact_id, ${runId}::uuid, p.phone, p.user_id, p.values::jsonb, p.state, p.reason
    from unnest(${sorted.map((p) => p.contactId)}::uuid[], ${sorted.map((p) => p.phone)}::text[], ${sorted.map((p) => p.userId)}::text[],
                ${sorted.map((p) => JSON.stringify(p.values))}::text[], ${sorted.map((p) => p.state)}::text[], ${sorted.map((p) => p.reason)}::text[])
         p(contact_id, phone, user_id, values, state, reason)
    on conflict (campaign_id, contact_id) do update
      set run_id = excluded.run_id, phone = excluded.phone, user_id = excluded.user_id, values = excluded.values,
          state = excluded.state, reason = excluded.reason`.execute(tx.sql)
}

/** Whether a campaign is still being prepared; holds it so until the commit, for a cancel waits then. */
export async function isPreparing(tx: Tx, campaignId: string): Promise<boolean> {
  const row = await queryOne(tx, sql`select 1 from campaigns where id = ${campaignId} and state = 'preparing' for no key update`)
  return row !== undefined
}

/** Takes everybody off the list of a campaign that ends before anything was sent. */
export async function clearRecipients(tx: Tx, campaignId: string): Promise<void> {
  await sql`delete from recipients where campaign_id = ${campaignId} and attempts = 0`.execute(tx.sql)
}

/** Takes those off the list whom this run did not put there, and counts the rest. Only before anything was sent. */
export async function keepRun(tx: Tx, campaignId: string, runId: string): Promise<void> {
  await sql`delete from recipients r using
      (select id from recipients where campaign_id = ${campaignId} and run_id <> ${runId} order by id for update) others
    where r.id = others.id`.execute(tx.sql)
  await sql`update campaign_statistics s set recipients = c.recipients, queued = c.queued, skipped = c.skipped
    from (select count(*)::int as recipients, (count(*) filter (where state = 'queued'))::int as queued,
                 (count(*) filter (where state = 'skipped'))::int as skipped
          from recipients where campaign_id = ${campaignId}) c
    where s.campaign_id = ${campaignId}`.execute(tx.sql)
}

export interface Claimed {
  recipientId: string
  attemptId: string
  contactId: string
  phone: string
  userId: string
  values: Record<string, string>
  number: number
}

/**
 * Claims queued recipients of a sending campaign, each with a new attempt; committed before the first byte goes to Meta.
 * A pause that is committing makes it wait and then claim nothing.
 */
export async function claimRecipients(tx: Tx, campaignId: string, limit: number, fenceToken: string): Promise<Claimed[]> {
  const rows = await query<Claimed>(
    tx,
    sql`with c as (select id from campaigns where id = ${campaignId} and state = 'sending' for share),
             p as (select r.id from recipients r join c on c.id = r.campaign_id
                   where r.state = 'queued' and (r.not_before is null or r.not_before <= now())
                   order by r.id limit ${limit} for update of r skip locked),
             a as (insert into attempts (account_id, campaign_id, recipient_id, number, fence, ordered_at)
                   select r.account_id, r.campaign_id, r.id, r.attempts + 1, ${fenceToken}::bigint, r.ordered_at
                   from recipients r join p on p.id = r.id order by r.id
                   returning id, recipient_id, number)
        update recipients r set state = 'sending', reason = '', not_before = null, ordered_at = null, attempts = a.number, attempt_id = a.id
        from a where r.id = a.recipient_id
        returning r.id::text as "recipientId", a.id::text as "attemptId", r.contact_id as "contactId", r.phone,
                  r.user_id as "userId", r.values, a.number`,
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
               (select count(*)::int from (select 1 from recipients where campaign_id = c.id and state = 'queued'
                  and (not_before is null or not_before <= now()) limit ${limit}) r) as ready,
               (select (extract(epoch from min(not_before) - now()) * 1000)::float8 from recipients
                where campaign_id = c.id and state = 'queued' and not_before > now()) as "nextMs",
               exists (select 1 from recipients where campaign_id = c.id and state = 'sending') as sending
        from campaigns c where c.id = ${campaignId}`,
  )
  return row ?? { state: 'cancelled', ready: 0, nextMs: null, sending: false }
}

export interface LockedRecipient {
  id: string
  contactId: string
  state: RecipientState
  attemptId: string
}

/** Locks the recipients of attempts by primary key; whoever holds a recipient may change its attempts. */
export function lockRecipientsOf(tx: Tx, campaignId: string, attemptIds: string[]): Promise<LockedRecipient[]> {
  return query(
    tx,
    sql`select id::text, contact_id as "contactId", state, attempt_id::text as "attemptId" from recipients
        where campaign_id = ${campaignId} and id in (select recipient_id from attempts where id = any(${attemptIds}::bigint[]))
        order by recipients.id for update`,
  )
}

export function readAttempts(tx: Tx, campaignId: string, attemptIds: string[]): Promise<Attempt[]> {
  return query(
    tx,
    sql`select id::text, recipient_id::text as "recipientId", outcome, wamid, accepted_at as "acceptedAt", sent_at as "sentAt",
               delivered_at as "deliveredAt", read_at as "readAt", failed_at as "failedAt", code, words
        from attempts where campaign_id = ${campaignId} and id = any(${attemptIds}::bigint[]) order by attempts.id`,
  )
}

const times = (attempts: Attempt[], pick: (attempt: Attempt) => Date | null) => attempts.map((a) => pick(a)?.toISOString() ?? null)

export async function writeAttempts(tx: Tx, attempts: Attempt[]): Promise<void> {
  if (attempts.length === 0) return
  await sql`update attempts a set outcome = v.outcome, wamid = v.wamid, accepted_at = v.accepted_at, sent_at = v.sent_at,
      delivered_at = v.delivered_at, read_at = v.read_at, failed_at = v.failed_at, code = v.code, words = v.words
    from unnest(${attempts.map((a) => a.id)}::bigint[], ${attempts.map((a) => a.outcome)}::text[], ${attempts.map((a) => a.wamid)}::text[],
                ${times(attempts, (a) => a.acceptedAt)}::timestamptz[], ${times(attempts, (a) => a.sentAt)}::timestamptz[],
                ${times(attempts, (a) => a.deliveredAt)}::timestamptz[], ${times(attempts, (a) => a.readAt)}::timestamptz[],
                ${times(attempts, (a) => a.failedAt)}::timestamptz[], ${attempts.map((a) => a.code)}::int[], ${attempts.map((a) => a.words)}::text[])
         v(id, outcome, wamid, accepted_at, sent_at, delivered_at, read_at, failed_at, code, words)
    where a.id = v.id`.execute(tx.sql)
}

export interface RecipientChange {
  id: string
  state: RecipientState
  reason: string
  notBefore: Date | null
}

export async function writeRecipients(tx: Tx, changes: RecipientChange[]): Promise<void> {
  if (changes.length === 0) return
  await sql`update recipients r set state = v.state, reason = v.reason, not_before = v.not_before
    from unnest(${changes.map((c) => c.id)}::bigint[], ${changes.map((c) => c.state)}::text[], ${changes.map((c) => c.reason)}::text[],
                ${changes.map((c) => c.notBefore?.toISOString() ?? null)}::timestamptz[]) v(id, state, reason, not_before)
    where r.id = v.id`.execute(tx.sql)
}

/** Moves a campaign on from one of `from`; false when it is in none of them. */
export async function moveCampaign(
  tx: Tx,
  id: string,
  from: Campaign['state'][],
  to: Campaign['state'],
  change: { reason?: string; finishedAt?: Date } = {},
): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`update campaigns set state = ${to}, reason = ${change.reason ?? ''}, finished_at = ${change.finishedAt ?? null}
        where id = ${id} and account_id = ${tx.accountId} and state = any(${from}::text[]) returning id`,
  )
  return row !== undefined
}

/** Pauses a sending campaign for what became known of attempts; false when a person has ordered it to go on since they were claimed. */
export async function pauseBecauseOf(tx: Tx, id: string, attemptIds: string[], reason: string): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`update campaigns set state = 'paused', reason = ${reason}, finished_at = null
        where id = ${id} and account_id = ${tx.accountId} and state = 'sending'
          and coalesce(resumed_at < (select max(claimed_at) from attempts where id = any(${attemptIds}::bigint[])), true) returning id`,
  )
  return row !== undefined
}

/** Notes that a person orders a campaign to go on: by the clock that dates claims, which wait for this transaction. */
export async function noteResumed(tx: Tx, id: string): Promise<void> {
  await sql`update campaigns set resumed_at = clock_timestamp() where id = ${id}`.execute(tx.sql)
}

/** Attempts of a campaign that wait for an outcome since before a moment: their process died between claim and answer. */
export async function staleAttempts(tx: Tx, campaignId: string, before: Date, limit: number): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    sql`select id::text from attempts where campaign_id = ${campaignId} and outcome = 'sending' and claimed_at < ${before}
        order by attempts.id limit ${limit}`,
  )
  return rows.map((row) => row.id)
}

/** Which attempts have these wamids. */
export function attemptsByWamid(tx: Tx, wamids: string[]): Promise<{ attemptId: string; campaignId: string; wamid: string }[]> {
  return query(
    tx,
    sql`select id::text as "attemptId", campaign_id as "campaignId", wamid from attempts
        where account_id = ${tx.accountId} and wamid = any(${wamids}::text[]) order by attempts.id`,
  )
}

/** What another recipient of a campaign has or may have got. */
export interface Written {
  contactId: string
  /** A message that arrived, may have arrived or may yet arrive. */
  written: boolean
  /** The attempt that is under way. */
  sendingId: string | null
}

/** Which of these contacts are recipients of a campaign too, and what became of their messages. */
export function recipientsOfContacts(tx: Tx, campaignId: string, contactIds: string[]): Promise<Written[]> {
  return query(
    tx,
    sql`select r.contact_id as "contactId", case when r.state = 'sending' then r.attempt_id::text end as "sendingId",
               r.state = 'unknown' or exists (select from attempts a where a.recipient_id = r.id and a.outcome = 'accepted'
                 and (a.failed_at is null or a.delivered_at is not null or a.read_at is not null)) as written
        from recipients r where r.campaign_id = ${campaignId} and r.contact_id = any(${contactIds}::uuid[])`,
  )
}
