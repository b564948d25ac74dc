import { type RawBuilder, sql } from '@lockstep/database'
import { documentedFields } from '../fields.ts'

/*
 * What became of parts is kept three times, each for a reader of its own: in the part, in `webhook_part_results` for those that had
 * no effect (found by outcome or key, so that no index on the part stands in the way of an update in place), and in counts.
 */

const documented = [...documentedFields]

/** The field of `part` as it is counted; few names, whatever a body holds. */
const countedField = sql`case when field is null then '' when field = any(${documented}::text[]) then field else 'other' end`

/** Notes parts of a relation that ended without effect; one that had a result gets this one. */
export function noteResults(parts: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`insert into webhook_part_results (part_id, received_at, app_id, lane, key, outcome)
    select id, received_at, app_id, lane, key, outcome from ${parts} where outcome is not null and outcome <> 'done'
    on conflict (part_id, received_at) do update set outcome = excluded.outcome`
}

/** Adds the parts of a relation to the counts of their days by what they are now, and (given) takes them from what they were. */
export function countResults(
  parts: RawBuilder<unknown>,
  before?: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const now = changedCounts(parts, sql`coalesce(outcome, 'open')`, sql``)
  return before ? sql`${now} union all ${countsOf(parts, before, sql`-`)}` : now
}

/** Takes the parts of a relation from the counts. */
export const uncountResults = (parts: RawBuilder<unknown>): RawBuilder<unknown> =>
  changedCounts(parts, sql`coalesce(outcome, 'open')`, sql`-`)

const changedCounts = (
  parts: RawBuilder<unknown>,
  outcome: RawBuilder<unknown>,
  sign: RawBuilder<unknown>,
) =>
  sql`insert into webhook_part_counts (day, outcome, field, parts, elements) ${countsOf(parts, outcome, sign)}`

const countsOf = (
  parts: RawBuilder<unknown>,
  outcome: RawBuilder<unknown>,
  sign: RawBuilder<unknown>,
) =>
  sql`select (received_at at time zone 'UTC')::date, ${outcome}, ${countedField}, ${sign}count(*), ${sign}sum(elements) from ${parts} group by 1, 2, 3`
