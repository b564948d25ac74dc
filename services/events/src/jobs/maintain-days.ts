import type { Context } from '../context.ts'
import { createDayTables, dropDaysBefore } from '../db/day-tables.ts'
import { dayMs, firstDayKept } from '../first-day-kept.ts'

/** Without its day table an event waits, so this runs often; a run without work costs nothing. */
export const maintainDaysEveryMs = 10_000

/** Events are recorded into these days without another run of the job. */
const daysAhead = 7

/** Creates the day tables of what is kept and what is to come, and drops older ones. */
export async function maintainDays(ctx: Context): Promise<void> {
  const first = firstDayKept(ctx)
  const last = new Date(ctx.now() + daysAhead * dayMs)
  await ctx.db.system((tx) => createDayTables(tx, first, last))
  const days = await ctx.db.system((tx) => dropDaysBefore(tx, first))
  if (days.length > 0) ctx.log.info({ days }, 'the events of days that are not kept were dropped')
}
