import { query, sql, type Tx } from '@lockstep/database'
import { type Statistics, statisticsColumns } from '../statistics.ts'

export async function readStatistics(tx: Tx, campaignIds: string[]): Promise<Map<string, Statistics>> {
  const rows = await query<Statistics & { campaignId: string }>(
    tx,
    sql`select campaign_id as "campaignId", ${sql.join(statisticsColumns.map((column) => sql.ref(column)))}
        from campaign_statistics where account_id = any(${tx.accountIds}::uuid[]) and campaign_id = any(${campaignIds}::uuid[])`,
  )
  return new Map(rows.map(({ campaignId, ...statistics }) => [campaignId, statistics]))
}

/**
 * Adds to the counters of campaigns, by their ids, in the order of their primary key. Always the last statement of a
 * transaction: everybody waits for these rows.
 */
export async function addStatistics(tx: Tx, deltas: ReadonlyMap<string, Statistics>): Promise<void> {
  const all = [...deltas]
  const changed = statisticsColumns.filter((column) => all.some(([, delta]) => delta[column] !== 0))
  if (changed.length === 0) return
  const sets = changed.map((column) => sql`${sql.ref(column)} = s.${sql.ref(column)} + v.${sql.ref(column)}`)
  const columns = changed.map((column) => sql`${all.map(([, delta]) => delta[column])}::int[]`)
  const ids = sql`${all.map(([id]) => id)}::uuid[]`
  await sql`with l as (select campaign_id from campaign_statistics where campaign_id = any(${ids}) order by campaign_id for update)
    update campaign_statistics s set ${sql.join(sets)}
    from unnest(${ids}, ${sql.join(columns)}) v(campaign_id, ${sql.join(changed.map((column) => sql.ref(column)))})
    join l on l.campaign_id = v.campaign_id
    where s.campaign_id = v.campaign_id`.execute(tx.sql)
}
