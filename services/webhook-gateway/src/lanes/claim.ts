import type { EntryResult, LaneHandler } from '@lockstep/service'
import { claimForConnection as claim } from '../claims.ts'
import type { Context } from '../context.ts'

/** Then others have their turn. */
const maxSlices = 20

/** A number was connected: what came for it and its WABA before is claimed. The entry's row is the connection. */
export const claimForConnection: LaneHandler<Context> = async (ctx, _phoneNumberId, entries) => {
  const results: EntryResult[] = []
  for (const { id, rowId, accountId } of entries) {
    const connection = await ctx.peers.accounts.getConnection({ id: rowId }, { accountId })
    const hasEnded = connection.disconnectedAtMs !== undefined
    const { isAll } = hasEnded ? { isAll: true } : await claim(ctx, connection, { maxSlices })
    results.push(isAll ? { id, outcome: 'done' } : { id, laterMs: 0 })
  }
  return results
}
