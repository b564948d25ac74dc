import type { Context } from '../context.ts'
import { dropKeys } from '../db/idempotency-keys.ts'

export const dropEveryMs = 600_000

/** A client that has not seen its answer after a day has given up. */
const keptMs = 24 * 3_600_000
const batch = 1_000

/**
 * Drops idempotency keys that are older than a day: from then on, the same key is a new request.
 */
export async function dropOldKeys(ctx: Context): Promise<void> {
  const before = new Date(ctx.now() - keptMs)
  let dropped: number
  do dropped = await ctx.db.system((tx) => dropKeys(tx, before, batch))
  while (dropped === batch)
}
