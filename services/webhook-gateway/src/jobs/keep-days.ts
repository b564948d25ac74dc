import type { Tx } from '@lockstep/database'
import type { Context } from '../context.ts'
import { closeDay, daysBefore, dropDay, dropKept, keepParts, makeDays } from '../db/days.ts'
import { foldCounts } from '../db/lists.ts'
import { countDayFailure } from '../metrics.ts'

/** Far more often than once a day: without its day's partition a body is refused, and a run that finds nothing to do costs nothing. */
export const keepDaysEveryMs = 10_000

/** Bodies are received into these days without another run of the job. */
const daysAhead = 7
/** Meta sends a webhook again for up to 7 days (M:webhooks/create-webhook-endpoint); as long a body can be looked at. */
const daysKept = 7
const dayMs = 86_400_000
/** What still waits of a day is moved out in slices of so many parts. */
const sliceParts = 200

/**
 * Creates the partitions of the next days; then drops those past 7 days, from which what is open or dead is moved out. Each step is a
 * transaction of its own: whatever fails is counted and tried again, and keeps no other step from being done.
 */
export async function keepDays(ctx: Context): Promise<void> {
  await step(ctx, 'make', (tx) => makeDays(tx, new Date(ctx.now()), daysAhead))
  await step(ctx, 'count', foldCounts)
  await step(ctx, 'kept', dropKept)
  const last = new Date(ctx.now() - daysKept * dayMs).toISOString().slice(0, 10)
  const days = (await step(ctx, 'list', (tx) => daysBefore(tx, last))) ?? []
  for (const day of days)
    if (await leave(ctx, day)) ctx.log.info({ day }, 'the webhook bodies of a day were dropped')
}

/** Moves out what a day's bodies are still needed for, and drops it; false when that is for the next run. */
async function leave(ctx: Context, day: string): Promise<boolean> {
  if ((await step(ctx, 'close', (tx) => closeDay(tx, day).then(() => true))) !== true) return false
  for (let moved: number | undefined = sliceParts; moved === sliceParts; ) {
    moved = await step(ctx, 'move', (tx) => keepParts(tx, day, sliceParts))
    if (moved === undefined) return false
    if (moved > 0)
      ctx.log.warn({ day, moved }, 'parts that wait or are dead are kept beyond their day')
  }
  return (await step(ctx, 'drop', (tx) => dropDay(tx, day))) === true
}

/** The step's answer; undefined when it failed. */
async function step<Answer>(
  ctx: Context,
  name: string,
  work: (tx: Tx) => Promise<Answer>,
): Promise<Answer | undefined> {
  try {
    return await ctx.db.system(work)
  } catch (err) {
    countDayFailure(name)
    ctx.log.error(
      { err, step: name },
      'the days of webhook bodies: a step failed and is tried again',
    )
    return undefined
  }
}
