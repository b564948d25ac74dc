import { type Database, query, sql, type Tx } from '@lockstep/database'
import { type Statistics, type StatisticsDelta, statisticsColumns } from '../outcomes/statistics.ts'

/** The statistics of campaigns, all variants together. */
export async function readStatistics(
  tx: Tx,
  campaignIds: string[],
): Promise<Map<string, Statistics>> {
  const sums = statisticsColumns.map(
    (column) => sql`sum(${sql.ref(column)})::int as ${sql.ref(column)}`,
  )
  const rows = await query<Statistics & { campaignId: string }>(
    tx,
    sql`select campaign_id as "campaignId", ${sql.join(sums)}
        from campaign_statistics where account_id = any(${tx.accountIds}::uuid[])
          and campaign_id = any(${campaignIds}::uuid[])
        group by campaign_id`,
  )
  return new Map(rows.map(({ campaignId, ...statistics }) => [campaignId, statistics]))
}

/** A page of the campaigns of all accounts whose statistics have changed, in id order. */
export function changedCampaigns(
  db: Database,
  after: string,
  limit: number,
): Promise<{ accountId: string; campaignId: string }[]> {
  return db.statement(
    sql`select account_id as "accountId", campaign_id as "campaignId"
        from campaigns_with_progress(${after}, ${limit})`,
  )
}

/**
 * Notes that changes of statistics are told with this transaction; answers which campaigns those
 * are. One that is changing at this moment is left for the next time.
 */
export async function takeChanged(tx: Tx, campaignIds: string[]): Promise<string[]> {
  const rows = await query<{ campaignId: string }>(
    tx,
    sql`with due as (select campaign_id, variant from campaign_statistics
                     where campaign_id = any(${campaignIds}::uuid[]) and progress_due
                     order by campaign_id, variant for update skip locked)
        update campaign_statistics s set progress_due = false from due
        where s.campaign_id = due.campaign_id and s.variant = due.variant
        returning s.campaign_id as "campaignId"`,
  )
  return [...new Set(rows.map(({ campaignId }) => campaignId))]
}

/**
 * Adds to counters in the order of their primary key; always the last statement of a transaction,
 * for everybody waits for these rows.
 */
export async function addStatistics(tx: Tx, deltas: readonly StatisticsDelta[]): Promise<void> {
  const changed = statisticsColumns.filter((column) => deltas.some((delta) => delta[column] !== 0))
  if (changed.length === 0) return
  const sets = changed.map(
    (column) => sql`${sql.ref(column)} = s.${sql.ref(column)} + v.${sql.ref(column)}`,
  )
  const columns = changed.map((column) => sql`${deltas.map((delta) => delta[column])}::int[]`)
  const ids = sql`${deltas.map(({ campaignId }) => campaignId)}::uuid[]`
  const variants = sql`${deltas.map(({ variant }) => variant)}::smallint[]`
  await sql`with l as (select campaign_id, variant from campaign_statistics
                       where (campaign_id, variant) in (select * from unnest(${ids}, ${variants}))
                         order by campaign_id, variant for update)
    update campaign_statistics s set ${sql.join(sets)}, progress_due = true
    from unnest(${ids}, ${variants}, ${sql.join(columns)}) v(campaign_id, variant,
      ${sql.join(changed.map((column) => sql.ref(column)))})
    join l on l.campaign_id = v.campaign_id and l.variant = v.variant
    where s.campaign_id = v.campaign_id and s.variant = v.variant`.execute(tx.sql)
}
