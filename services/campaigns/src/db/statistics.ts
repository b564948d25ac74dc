import { query, sql, type Tx } from '@lockstep/database'
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
    update campaign_statistics s set ${sql.join(sets)}
    from unnest(${ids}, ${variants}, ${sql.join(columns)}) v(campaign_id, variant,
      ${sql.join(changed.map((column) => sql.ref(column)))})
    join l on l.campaign_id = v.campaign_id and l.variant = v.variant
    where s.campaign_id = v.campaign_id and s.variant = v.variant`.execute(tx.sql)
}
