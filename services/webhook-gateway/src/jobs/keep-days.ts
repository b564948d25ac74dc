import { queryOne, sql } from '@lockstep/database'
import type { Context } from '../context.ts'

/** Far more often than once a day: without its day's partition a body is refused, and a run that finds nothing to do costs nothing. */
export const keepDaysEveryMs = 10_000

/** Bodies are received into these days without another run of the job. */
const daysAhead = 7
/** Meta sends a webhook again for up to 7 days (M:webhooks/create-webhook-endpoint); as long a body can be looked at. */
const daysKept = 7

/** Creates the partitions of the next days, and drops those past 7 days unless an open or dead part needs them. */
export async function keepDays(ctx: Context): Promise<void> {
  const moment = new Date(ctx.now())
  const row = await ctx.db.system((tx) =>
    queryOne<{ dropped: number }>(tx, sql`select keep_days(${moment}, ${daysAhead}, ${daysKept}) as dropped`),
  )
  if (row!.dropped > 0) ctx.log.info({ days: row!.dropped }, 'old webhook bodies were dropped')
}
