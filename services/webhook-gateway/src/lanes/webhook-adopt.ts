import type { EntryResult, LaneHandler } from '@lockstep/service'
import type { Context } from '../context.ts'
import { adoptForConnection } from '../parts/adopt.ts'

/** So many slices an entry; the next entry has its turn then. */
const maxSlices = 20

/**
 * Adopts what came for a number and its WABA before they were connected. The entry's row is the
 * connection.
 */
export const webhookAdopt: LaneHandler<Context> = async (ctx, _phoneNumberId, entries) => {
  const results: EntryResult[] = []
  for (const { id, rowId, accountId } of entries) {
    const connection = await ctx.peers.accounts.getConnection({ id: rowId }, { accountId })
    const hasEnded = connection.disconnectedAtMs !== undefined
    const { isAll } = hasEnded
      ? { isAll: true }
      : await adoptForConnection(ctx, connection, { maxSlices })
    results.push(isAll ? { id, outcome: 'done' } : { id, laterMs: 0 })
  }
  return results
}
