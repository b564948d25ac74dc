import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  ResolveConnectionsRequest,
  ResolveConnectionsResponse,
} from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { intervalsOverlapping } from '../db/intervals.ts'

/** As many numbers as a set of webhook parts can name. */
const maxNamed = 1_000

/**
 * Whose numbers and WABAs were, and when. Webhooks are read with it, before their tenant is known.
 */
export const resolveConnections: Method<
  Context,
  ResolveConnectionsRequest,
  ResolveConnectionsResponse
> = async (ctx, request) => {
  const { phoneNumberIds, wabaIds } = request
  const named = phoneNumberIds.length + wabaIds.length
  if (named > maxNamed)
    throw new AppError(
      'invalid',
      `${named} numbers and WABAs at once; at most ${maxNamed} are allowed`,
    )
  return { intervals: await ctx.db.system((tx) => intervalsOverlapping(tx, request)) }
}
