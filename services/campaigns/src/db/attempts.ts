import { query, queryOne, rowset, sql, type Tx } from '@lockstep/database'
import type { Attempt } from '@lockstep/sending'

/** Where an attempt stands: of its primary key. */
export interface AttemptKey {
  campaignId: string
  attemptId: string
}

/** Keys of attempts as a table `v` of a statement. */
export const keyTable = (keys: readonly AttemptKey[]) =>
  rowset(keys, { campaignId: 'uuid', attemptId: 'bigint' })

export type StoredAttempt = Attempt & { campaignId: string }

export function readAttempts(tx: Tx, keys: AttemptKey[]): Promise<StoredAttempt[]> {
  return query(
    tx,
    sql`select a.campaign_id as "campaignId", a.id::text, a.recipient_id::text as "recipientId",
               a.outcome, a.wamid, a.claimed_at as "claimedAt", a.accepted_at as "acceptedAt",
               a.sent_at as "sentAt", a.delivered_at as "deliveredAt", a.read_at as "readAt",
               a.failed_at as "failedAt", a.code, a.reason
        from ${keyTable(keys)} join attempts a on a.campaign_id = v.campaign_id
          and a.id = v.attempt_id`,
  )
}

const attemptColumns = {
  campaignId: 'uuid',
  id: 'bigint',
  outcome: 'text',
  wamid: 'text',
  acceptedAt: 'timestamptz',
  sentAt: 'timestamptz',
  deliveredAt: 'timestamptz',
  readAt: 'timestamptz',
  failedAt: 'timestamptz',
  code: 'integer',
  reason: 'text',
} as const

export async function writeAttempts(tx: Tx, attempts: StoredAttempt[]): Promise<void> {
  if (attempts.length === 0) return
  await sql`update attempts a set outcome = v.outcome, wamid = v.wamid,
      accepted_at = v.accepted_at, sent_at = v.sent_at, delivered_at = v.delivered_at,
      read_at = v.read_at, failed_at = v.failed_at, code = v.code, reason = v.reason
    from ${rowset(attempts, attemptColumns)}
    where a.campaign_id = v.campaign_id and a.id = v.id`.execute(tx.sql)
}

/** The contact of each attempt's recipient, by the attempt. */
export async function contactsOf(
  tx: Tx,
  keys: readonly AttemptKey[],
): Promise<Map<string, string>> {
  const rows = await query<{ attemptId: string; contactId: string }>(
    tx,
    sql`select a.id::text as "attemptId", r.contact_id as "contactId"
        from ${keyTable(keys)} join attempts a on a.campaign_id = v.campaign_id
          and a.id = v.attempt_id
          join recipients r on r.campaign_id = a.campaign_id and r.id = a.recipient_id`,
  )
  return new Map(rows.map((row) => [row.attemptId, row.contactId]))
}

/**
 * Attempts of a campaign that wait for an outcome since before a moment: their process died between
 * claim and answer.
 */
export async function staleAttempts(
  tx: Tx,
  campaignId: string,
  before: Date,
  limit: number,
): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    sql`select id::text from attempts where campaign_id = ${campaignId} and outcome = 'sending'
          and claimed_at < ${before}
        order by claimed_at limit ${limit}`,
  )
  return rows.map((row) => row.id)
}

/** A message that an account's number has sent. */
export interface SentMessage {
  accountId: string
  wamid: string
}

/** Which attempts have these wamids. */
export function attemptsByWamid(
  tx: Tx,
  messages: SentMessage[],
): Promise<(SentMessage & AttemptKey)[]> {
  return query(
    tx,
    sql`select a.account_id as "accountId", a.wamid, a.campaign_id as "campaignId",
          a.id::text as "attemptId"
        from ${rowset(messages, { accountId: 'uuid', wamid: 'text' })}
        join attempts a on a.account_id = v.account_id and a.wamid = v.wamid`,
  )
}

/** Messages were refused alike: with the same code, or without one for the same reason. */
export interface RefusalKind {
  code: number | null
  reason: string
}

const isSame = ({ code, reason }: RefusalKind) =>
  sql`a.code is not distinct from ${code}::int and (a.code is not null
        or a.reason = ${reason}::text)`

/** Whether Meta has taken a message of a campaign since a person last let it go on. */
export async function hasAccepted(tx: Tx, campaignId: string): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`select from attempts where campaign_id = ${campaignId} and outcome = 'accepted'
          and id > (select answers_from from campaigns where id = ${campaignId})
            order by attempts.id limit 1`,
  )
  return row !== undefined
}

export interface RefusedRun {
  /** How many other attempts were refused so since a person last let the campaign go on. */
  refused: number
  /** Such a run has stopped the campaign already, and these are its last answers. */
  isStopped: boolean
  /** How often a run has stopped the campaign. */
  stops: number
}

/**
 * The run to which refused attempts belong. Those of before a person's order belong to the run of
 * then.
 */
export async function runOf(
  tx: Tx,
  campaignId: string,
  refusal: RefusalKind,
  attemptIds: string[],
): Promise<RefusedRun> {
  const ids = sql`${attemptIds}::bigint[]`
  const row = await queryOne<RefusedRun>(
    tx,
    sql`select c.refused_runs as stops, r.refused, r."isStopped"
        from campaigns c, lateral (
          select count(*) filter (where a.outcome = 'rejected' and a.id > c.answers_from
            and a.id <> all(${ids}))::int as refused,
                 coalesce(bool_or(a.outcome = 'not_sent'), false) as "isStopped"
          from attempts a
          where a.campaign_id = c.id and a.id >
            case when c.answers_from >= any(${ids}) then 0 else c.answers_from end
              and ${isSame(refusal)}
        ) r
        where c.id = ${campaignId}`,
  )
  return row!
}

/**
 * Puts everybody of a run back into the queue; the attempts keep what Meta answered. Answers the
 * variants of the recipients.
 */
export async function putBackRun(
  tx: Tx,
  campaignId: string,
  refusal: RefusalKind,
): Promise<number[]> {
  const rows = await query<{ variant: number }>(
    tx,
    sql`with back as (update attempts a set outcome = 'not_sent'
                      where a.campaign_id = ${campaignId} and a.outcome = 'rejected'
                        and ${isSame(refusal)}
                        and a.id > (select answers_from from campaigns where id = ${campaignId})
                      returning a.id, a.recipient_id)
        update recipients r set state = 'queued', not_before = now() from back
        where r.campaign_id = ${campaignId} and r.id = back.recipient_id and r.attempt_id = back.id
          returning r.variant`,
  )
  return rows.map(({ variant }) => variant)
}
