import { hashOfKey, laneSettings, type PartOutcome, type WebhookLane } from '@lockstep/contracts'
import { query, type RawBuilder, rowset, sql, type Tx } from '@lockstep/database'
import type { DismissedEntry, FeedContent, ReopenedEntry, Settlement } from '@lockstep/feeds'
import { countResults, writeResults } from './part-results.ts'

/**
 * An entry's content: that of its part, or the whole body. An entry's time names the day tables of
 * both.
 */
export const partContent: FeedContent = sql`
  select coalesce(p.content, (select b.raw from webhook_bodies b
                              where b.id = p.body_id and b.received_at = p.received_at)) as content,
         p.app_id::text as app_id, p.adopted_at as as_of
  from webhook_parts p
  where f.body is null and p.id = f.row_id::bigint and p.received_at = f.created_at
  union all
  select u.content, u.app_id::text, u.adopted_at from webhook_parts_unresolved u
  where f.body is null and u.id = f.row_id::bigint`

/** Settled parts with the same outcome and field. */
export interface SettledParts {
  outcome: PartOutcome
  field: string | null
  parts: number
  /** Of those that are `no_connection`, unless an adoption has opened them before. */
  toAdopt: { appId: string; lane: WebhookLane; key: string } | null
}

/**
 * Writes outcomes to the parts of entries that `settleFeed` is about to settle, by its rules. A
 * part is only ever changed under its entry's row lock, which is taken in the order of the primary
 * key.
 */
export function settleParts(
  tx: Tx,
  lane: string,
  settlements: readonly Settlement[],
): Promise<SettledParts[]> {
  const update = (table: RawBuilder<unknown>, ofDay: RawBuilder<unknown>) => sql`
    update ${table} p set outcome = e.outcome, reason = e.reason, outcome_at = now()
    from ended e where p.id = e.part_id ${ofDay}
    returning p.id, p.received_at, p.app_id, p.lane, p.key, p.outcome, p.field, p.elements,
      p.adopted_at`
  return query(
    tx,
    sql`with ended as (${endedParts(lane, settlements)}
        ), changed as (${update(sql`webhook_parts`, sql`and p.received_at = e.created_at`)}
        ), unresolved as (${update(sql`webhook_parts_unresolved`, sql``)}
        ), results as (${writeResults(sql`changed`)}
        ), counts as (${countResults(sql`changed`, sql`'open'`)}
        )
        select outcome, field, count(*)::int as parts, to_adopt::json as "toAdopt"
        from (select outcome, field,
                case when outcome = 'no_connection' and adopted_at is null
                  then json_build_object('appId', app_id, 'lane', lane, 'key', key)::text
                end as to_adopt
              from (select * from changed union all select * from unresolved) c) s
        group by 1, 2, s.to_adopt`,
  )
}

/** Parts that have an outcome by these settlements; one whose last try failed is dead. */
function endedParts(lane: string, settlements: readonly Settlement[]): RawBuilder<unknown> {
  const rows = settlements.map((each) => ({
    id: each.id,
    key_hash: hashOfKey(each.key),
    key: each.key,
    outcome: 'outcome' in each ? each.outcome : null,
    reason: 'failure' in each ? each.failure : 'outcome' in each ? (each.note ?? null) : null,
  }))
  const columns = {
    id: 'bigint',
    key_hash: 'integer',
    key: 'text',
    outcome: 'text',
    reason: 'text',
  } as const
  return sql`
    select f.row_id::bigint as part_id, f.created_at, coalesce(v.outcome, 'dead') as outcome,
           v.reason
    from ${rowset(rows, columns)}
    join feed_open f on f.lane = ${lane} and f.key_hash = v.key_hash and f.key = v.key and f.id = v.id
    where v.outcome is not null
      or (v.reason is not null and (f.not_before is null or f.not_before <= now())
          and f.attempts + 1 >= ${laneSettings.maxTries})
    order by f.key_hash, f.key, f.id for update of f`
}

/** Parts of dead entries that were opened again have no outcome any more. */
export async function reopenParts(tx: Tx, reopened: readonly ReopenedEntry[]): Promise<void> {
  const rows = reopened.map((each) => ({ ...each, key_hash: hashOfKey(each.key) }))
  const v = rowset(rows, { lane: 'text', key_hash: 'integer', key: 'text', id: 'bigint' })
  const update = (table: RawBuilder<unknown>, ofDay: RawBuilder<unknown>) => sql`
    update ${table} p set outcome = null, reason = null, outcome_at = null
    from ${v}
    join feed_open f on f.lane = v.lane and f.key_hash = v.key_hash and f.key = v.key and f.id = v.id
    where p.id = f.row_id::bigint ${ofDay}
    returning p.id, p.received_at, p.outcome, p.field, p.elements`
  await sql`with changed as (${update(sql`webhook_parts`, sql`and p.received_at = f.created_at`)}
      ), unresolved as (${update(sql`webhook_parts_unresolved`, sql``)}
      ), results as (
        delete from webhook_part_results r using changed c
        where r.part_id = c.id and r.received_at = c.received_at)
    ${countResults(sql`changed`, sql`'dead'`)}`.execute(tx.sql)
}

/**
 * Parts of dead entries that were given up are `dismissed`; the reason why they were dead stays.
 */
export async function dismissParts(tx: Tx, dismissed: readonly DismissedEntry[]): Promise<void> {
  const update = (table: RawBuilder<unknown>, ofDay: RawBuilder<unknown>) => sql`
    update ${table} p set outcome = 'dismissed', outcome_at = now()
    from ${rowset(dismissed, { rowId: 'bigint', createdAt: 'timestamptz' })}
    where p.id = v.row_id and p.outcome = 'dead' ${ofDay}
    returning p.id, p.received_at, p.app_id, p.lane, p.key, p.outcome, p.field, p.elements`
  await sql`with changed as (${update(sql`webhook_parts`, sql`and p.received_at = v.created_at`)}
      ), unresolved as (${update(sql`webhook_parts_unresolved`, sql``)}
      ), results as (${writeResults(sql`changed`)})
    ${countResults(sql`changed`, sql`'dead'`)}`.execute(tx.sql)
}
