import { query, sql, type Tx } from '@lockstep/database'
import type { Attempt } from '@lockstep/sending'

/** Where an attempt stands: of its primary key. */
export interface AttemptKey {
  campaignId: string
  attemptId: string
}

/** Keys of attempts as a table `v` of a statement. */
export const keyTable = (keys: readonly AttemptKey[]) =>
  sql`unnest(${keys.map((k) => k.campaignId)}::uuid[], ${keys.map((k) => k.attemptId)}::bigint[]) v(campaign_id, id)`

export type StoredAttempt = Attempt & { campaignId: string }

export function readAttempts(tx: Tx, keys: AttemptKey[]): Promise<StoredAttempt[]> {
  return query(
    tx,
    sql`select a.campaign_id as "campaignId", a.id::text, a.recipient_id::text as "recipientId", a.outcome, a.wamid,
               a.claimed_at as "claimedAt", a.accepted_at as "acceptedAt",
               a.sent_at as "sentAt", a.delivered_at as "deliveredAt", a.read_at as "readAt", a.failed_at as "failedAt", a.code, a.words
        from ${keyTable(keys)} join attempts a on a.campaign_id = v.campaign_id and a.id = v.id`,
  )
}

const times = (attempts: Attempt[], pick: (attempt: Attempt) => Date | null) =>
  attempts.map((a) => pick(a)?.toISOString() ?? null)

export async function writeAttempts(tx: Tx, attempts: StoredAttempt[]): Promise<void> {
  if (attempts.length === 0) return
  await sql`update attempts a set outcome = v.outcome, wamid = v.wamid, accepted_at = v.accepted_at, sent_at = v.sent_at,
      delivered_at = v.delivered_at, read_at = v.read_at, failed_at = v.failed_at, code = v.code, words = v.words
    from unnest(${attempts.map((a) => a.campaignId)}::uuid[], ${attempts.map((a) => a.id)}::bigint[],
                ${attempts.map((a) => a.outcome)}::text[], ${attempts.map((a) => a.wamid)}::text[],
                ${times(attempts, (a) => a.acceptedAt)}::timestamptz[], ${times(attempts, (a) => a.sentAt)}::timestamptz[],
                ${times(attempts, (a) => a.deliveredAt)}::timestamptz[], ${times(attempts, (a) => a.readAt)}::timestamptz[],
                ${times(attempts, (a) => a.failedAt)}::timestamptz[], ${attempts.map((a) => a.code)}::int[], ${attempts.map((a) => a.words)}::text[])
         v(campaign_id, id, outcome, wamid, accepted_at, sent_at, delivered_at, read_at, failed_at, code, words)
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
        from ${keyTable(keys)} join attempts a on a.campaign_id = v.campaign_id and a.id = v.id
          join recipients r on r.campaign_id = a.campaign_id and r.id = a.recipient_id`,
  )
  return new Map(rows.map((row) => [row.attemptId, row.contactId]))
}

/** Attempts of a campaign that wait for an outcome since before a moment: their process died between claim and answer. */
export async function staleAttempts(
  tx: Tx,
  campaignId: string,
  before: Date,
  limit: number,
): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    sql`select id::text from attempts where campaign_id = ${campaignId} and outcome = 'sending' and claimed_at < ${before}
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
    sql`select a.account_id as "accountId", a.wamid, a.campaign_id as "campaignId", a.id::text as "attemptId"
        from unnest(${messages.map((m) => m.accountId)}::uuid[], ${messages.map((m) => m.wamid)}::text[]) v(account_id, wamid)
        join attempts a on a.account_id = v.account_id and a.wamid = v.wamid`,
  )
}
