import { counter } from '@lockstep/telemetry'
import type { BaseContext } from './context.ts'

const dayMs = 86_400_000
/** How long a run may take; the next one goes on with what is left. */
const runMs = 30_000

export const forgetEveryMs = 10 * 60_000

/** Rows that are kept for a time, and how the oldest of them are taken away. */
export interface Retention {
  /** What the rows are, for the log and the counter: `messages`. */
  what: string
  /** How long they are kept. */
  days: number
  /** Deletes a page of older rows in a transaction; answers whether more may be left. */
  forgetPage(before: Date): Promise<{ rows: number; more: boolean }>
}

const forgotten = counter(
  'lockstep_retention_rows_total',
  'Rows that were taken away because they were older than they are kept',
)

/** Deletes old rows a page at a time, until none is left or the run's time is up. */
export async function forgetOld(
  ctx: Pick<BaseContext, 'log' | 'now'>,
  { what, days, forgetPage }: Retention,
): Promise<void> {
  const before = new Date(ctx.now() - days * dayMs)
  const endsAt = performance.now() + runMs
  let rows = 0
  for (let more = true; more && performance.now() < endsAt; ) {
    const page = await forgetPage(before)
    rows += page.rows
    more = page.more
    forgotten(page.rows, { what })
  }
  if (rows > 0)
    ctx.log.info({ what, rows, before }, 'Rows that were older than they are kept were taken away')
}
