import type { Tx } from '@lockstep/database'
import type { Context } from '../context.ts'
import {
  createDayTables,
  daysBefore,
  deleteResolved,
  dropDayTables,
  indexUnresolved,
  moveUnresolved,
} from '../db/day-tables.ts'
import { sumCounts } from '../db/part-list.ts'
import { countDayTableFailure } from '../metrics.ts'

/** Without its day table a body is refused, so this runs often; a run without work costs nothing. */
export const maintainDayTablesEveryMs = 10_000

/** Bodies are received into these days without another run of the job. */
const daysAhead = 7
/** Meta repeats a webhook for up to 7 days (M:webhooks/create-webhook-endpoint). */
const daysKept = 7
const dayMs = 86_400_000
/** Parts that are moved by one transaction. */
const maxMoved = 200

/**
 * Creates the day tables to come, and drops those past 7 days after moving out what is open or
 * dead. Each step is a transaction of its own: one that fails is counted, and holds up no other.
 */
export async function maintainDayTables(ctx: Context): Promise<void> {
  await step(ctx, 'create', (tx) => createDayTables(tx, new Date(ctx.now()), daysAhead))
  await step(ctx, 'counts', sumCounts)
  await step(ctx, 'resolved', deleteResolved)
  const last = new Date(ctx.now() - daysKept * dayMs).toISOString().slice(0, 10)
  const days = (await step(ctx, 'list', (tx) => daysBefore(tx, last))) ?? []
  for (const day of days)
    if (await dropDay(ctx, day)) ctx.log.info({ day }, 'the webhook bodies of a day were dropped')
}

/**
 * Moves what is open or dead out of a day and drops it; false when that is left for the next run.
 */
async function dropDay(ctx: Context, day: string): Promise<boolean> {
  const isIndexed = await step(ctx, 'index', (tx) => indexUnresolved(tx, day).then(() => true))
  if (!isIndexed) return false
  for (let moved: number | undefined = maxMoved; moved === maxMoved; ) {
    moved = await step(ctx, 'move', (tx) => moveUnresolved(tx, day, maxMoved))
    if (moved === undefined) return false
    if (moved > 0) ctx.log.warn({ day, moved }, 'open or dead parts outlive their day')
  }
  return (await step(ctx, 'drop', (tx) => dropDayTables(tx, day))) === true
}

/** The step's result; undefined when it failed. */
async function step<Result>(
  ctx: Context,
  name: string,
  work: (tx: Tx) => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await ctx.db.system(work)
  } catch (err) {
    countDayTableFailure(name)
    ctx.log.error({ err, step: name }, 'a step of maintaining day tables failed; it is tried again')
    return undefined
  }
}
