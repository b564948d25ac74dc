import { query, queryOne, rowset, sql, type Tx } from '@lockstep/database'

export interface NewRecipient {
  contactId: string
  phone: string
  userId: string
  values: Record<string, string>
  state: 'queued' | 'skipped'
  reason: string
}

const newColumns = {
  contactId: 'uuid',
  phone: 'text',
  userId: 'text',
  values: 'jsonb',
  state: 'text',
  reason: 'text',
} as const

/**
 * Puts people on a campaign's list under a run; those whom an earlier run that was cut short has
 * put there are taken over.
 */
export async function insertRecipients(
  tx: Tx,
  campaignId: string,
  runId: string,
  people: NewRecipient[],
): Promise<void> {
  const sorted = people.toSorted((a, b) => (a.contactId < b.contactId ? -1 : 1))
  await sql`insert into recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values,
      state, reason, not_before)
    select ${tx.accountId}::uuid, ${campaignId}::uuid, p.contact_id, ${runId}::uuid,
           p.phone, p.user_id, p.values, p.state, p.reason,
           case when p.state = 'queued' then '-infinity'::timestamptz end
    from ${rowset(sorted, newColumns, { as: 'p' })}
    on conflict (campaign_id, contact_id) do update
      set run_id = excluded.run_id, phone = excluded.phone, user_id = excluded.user_id,
          values = excluded.values, state = excluded.state, reason = excluded.reason,
          not_before = excluded.not_before`.execute(tx.sql)
}

/** Whether anybody stands on a campaign's list. */
export async function hasRecipients(tx: Tx, campaignId: string): Promise<boolean> {
  return (
    (await queryOne(tx, sql`select from recipients where campaign_id = ${campaignId} limit 1`)) !==
    undefined
  )
}

/**
 * The last of the next recipients in id order, at most `limit` of them; null when there are none.
 */
async function endOfPage(
  tx: Tx,
  campaignId: string,
  after: string,
  limit: number,
): Promise<{ id: string; rows: number } | null> {
  const row = await queryOne<{ id: string | null; rows: number }>(
    tx,
    sql`select max(id)::text as id, count(*)::int as rows
        from (select id from recipients where campaign_id = ${campaignId} and id > ${after}::bigint
          order by id limit ${limit}) page`,
  )
  return row?.id ? { id: row.id, rows: row.rows } : null
}

/**
 * Takes a page of people off a list that was never sent to. Answers the last of the page, or null
 * at the end of the list.
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
  await sql`delete from recipients where campaign_id = ${campaignId} and id > ${after}::bigint
      and id <= ${end.id}::bigint and attempts = 0${others}`.execute(tx.sql)
  return end.rows < limit ? null : end.id
}

/**
 * Takes a page of recipients and their attempts away for good; answers the last of them, or null
 * when it was the last page.
 */
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
  await sql`delete from attempts where campaign_id = ${campaignId}
      and ${inPage('recipient_id')}`.execute(tx.sql)
  await sql`delete from recipients where campaign_id = ${campaignId} and ${inPage('id')}`.execute(
    tx.sql,
  )
  return end.rows < limit ? null : end.id
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
  wasResent: boolean
}

/**
 * So many recipients are looked at for those of one state, at most: a page may end before it is
 * full.
 */
const maxLookedAt = 20_000

/**
 * A page of a campaign's recipients in id order, and where the next one begins; null after the
 * last.
 */
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
    sql`select r.id::text, r.contact_id as "contactId", r.phone, r.state, r.reason,
          coalesce(a.wamid, '') as wamid, r.attempts,
               a.claimed_at as "claimedAt",
               exists (select from attempts o where o.campaign_id = r.campaign_id
                 and o.recipient_id = r.id and o.resend_requested_at is not null) as "wasResent"
        from recipients r
        left join lateral (select wamid, claimed_at from attempts where campaign_id = r.campaign_id
          and id = r.attempt_id limit 1) a on true
        where r.campaign_id = ${campaignId} and r.id > ${after}::bigint
          and r.id <= ${end.id}::bigint
          ${state ? sql`and r.state = ${state}` : sql``}
        order by r.id limit ${limit}`,
  )
  if (rows.length === limit) return { rows, next: rows.at(-1)!.id }
  return { rows, next: end.rows === maxLookedAt ? end.id : null }
}
