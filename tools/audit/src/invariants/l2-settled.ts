import { lanes } from '@lockstep/contracts'
import { schemaOf } from '@lockstep/database'
import { type Invariant, sendTimeoutSeconds } from '../invariant.ts'

/** Every service that produces work for a lane has a feed. */
const schemas = [...new Set(Object.values(lanes).map((lane) => schemaOf(lane.producer)))]
const open = `(not_before is null or not_before <= now())`

const overdue = (seconds: number) => (schema: string) =>
  `
    select '${schema}.feed_open' as "table", id::text as row, lane || ' ' || key as "of", greatest(created_at, not_before) as since,
           attempts || ' failed tries' as note
    from ${schema}.feed_open where ${open} and greatest(created_at, not_before) < now() - interval '${seconds} seconds'`

/** Only asked when nothing should be left to do: a system at work has open entries. */
export const settled: Invariant = {
  id: 'L2',
  statement:
    'Once all is done, no feed entry is overdue and no attempt has been sending for more than 20 s.',
  means:
    'Work was left lying: a lane that nobody works on, an entry that fails again and again, or a worker that died.',
  rows: 'afterLog',
  needs: 'rows',
  onlySettled: true,
  checked: `select (select count(*) from campaigns.attempts) ${schemas.map((s) => `+ (select count(*) from ${s}.feed_open)`).join(' ')}`,
  violations: ({ settledSeconds }) => `${schemas.map(overdue(settledSeconds)).join(' union all ')}
    union all
    select 'campaigns.attempts', id::text, 'campaign ' || campaign_id, claimed_at, 'sending'
    from campaigns.attempts where outcome = 'sending' and claimed_at < now() - interval '${2 * sendTimeoutSeconds} seconds'`,
}
