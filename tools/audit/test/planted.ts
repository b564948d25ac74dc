import { expect, test } from 'vitest'
import type { AuditReport } from '../src/index.ts'
import { type ConsistentWorld, consistentWorld } from './consistent-world.ts'

/** What a report complains about: each violated invariant with its rows. */
export function complaints(report: AuditReport): Record<string, Record<string, unknown>[]> {
  return Object.fromEntries(
    report.invariants.filter((result) => result.violations > 0).map(({ id, rows }) => [id, rows]),
  )
}

/** One thing that is wrong in an otherwise consistent world. */
export interface Planted {
  invariant: string
  what: string
  plant(world: ConsistentWorld): Promise<unknown>
  /** The audit looks again for this many seconds, instead of for half a minute. */
  settled?: number
  /** What the first offending row says. */
  row(world: ConsistentWorld): object
}

/** For each: the audit names its invariant, no other, and the row. */
export function testPlanted(plantings: readonly Planted[]): void {
  test.each(plantings)(
    '$invariant names $what',
    async ({ invariant, plant, row, settled = true }) => {
      await using world = await consistentWorld()
      await plant(world)
      const found = complaints(await world.audit({ settled }))
      expect(Object.keys(found)).toEqual([invariant])
      expect(found[invariant]![0]).toMatchObject(row(world))
    },
  )
}

/** The campaign is being sent since an hour, with an entry in its lane; `reason` is that of a dead one. */
export async function stillSending({ sql, ids }: ConsistentWorld, reason = ''): Promise<void> {
  const since = `now() - interval '1 hour'`
  await sql(`update campaigns.attempts set claimed_at = ${since}`)
  await sql(
    `update campaigns.campaigns set state = 'sending', finished_at = null, started_at = ${since}`,
  )
  const entry = `'campaigns.run', '${ids.campaign}', 'started', '${ids.account}', ${since}`
  await sql(
    reason
      ? `insert into campaigns.feed_dead (lane, key, kind, account_id, created_at, id, row_id, bytes, attempts, reason)
         values (${entry}, 1, '', 0, 3, '${reason}')`
      : `insert into campaigns.feed_open (lane, key, kind, account_id, created_at, not_before) values (${entry}, now() + interval '1 minute')`,
  )
}
