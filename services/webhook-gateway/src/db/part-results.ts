import { type RawBuilder, sql } from '@lockstep/database'
import { documentedFields } from '../parts/documented-fields.ts'

/*
 * An outcome is written three times, each for a reader of its own: to the part, to the counts, and
 * to `webhook_part_results` if it had no effect, so that no index of parts holds it.
 */

const documented = [...documentedFields]

/** The field as it is counted: few names, whatever a body holds. */
const countedField = sql`case when field is null then ''
  when field = any(${documented}::text[]) then field else 'other' end`

/**
 * Writes the results of those parts of a relation that ended without effect, in place of earlier
 * ones.
 */
export function writeResults(parts: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    insert into webhook_part_results (part_id, received_at, app_id, lane, key, outcome)
    select id, received_at, app_id, lane, key, outcome from ${parts}
    where outcome is not null and outcome <> 'done'
    on conflict (part_id, received_at) do update set outcome = excluded.outcome`
}

/**
 * Adds the parts of a relation to the counts of their days, and takes them from those of an outcome
 * before.
 */
export function countResults(
  parts: RawBuilder<unknown>,
  before?: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const now = insertCounts(parts, sql`coalesce(outcome, 'open')`, sql``)
  return before ? sql`${now} union all ${countsOf(parts, before, sql`-`)}` : now
}

/** Takes the parts of a relation from the counts. */
export const uncountResults = (parts: RawBuilder<unknown>): RawBuilder<unknown> =>
  insertCounts(parts, sql`coalesce(outcome, 'open')`, sql`-`)

const insertCounts = (
  parts: RawBuilder<unknown>,
  outcome: RawBuilder<unknown>,
  sign: RawBuilder<unknown>,
) =>
  sql`insert into webhook_part_counts (day, outcome, field, parts, elements)
    ${countsOf(parts, outcome, sign)}`

const countsOf = (
  parts: RawBuilder<unknown>,
  outcome: RawBuilder<unknown>,
  sign: RawBuilder<unknown>,
) =>
  sql`select (received_at at time zone 'UTC')::date, ${outcome}, ${countedField},
      ${sign}count(*), ${sign}sum(elements)
    from ${parts} group by 1, 2, 3`
