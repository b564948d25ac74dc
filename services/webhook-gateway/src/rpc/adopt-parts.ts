import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { AdoptPartsRequest, AdoptPartsResponse } from '@lockstep/rpc/gen/webhook_gateway'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { adoptForConnection } from '../parts/adopt.ts'

/**
 * Opens what came for a connection's number and WABA before they were connected; connecting does so
 * by itself.
 */
export const adoptParts: Method<Context, AdoptPartsRequest, AdoptPartsResponse> = async (
  ctx,
  { connectionId },
  call,
) => {
  const connection = await ctx.peers.accounts.getConnection(
    { id: requireId(connectionId, 'connection') },
    call,
  )
  if (connection.disconnectedAtMs !== undefined)
    throw new AppError(
      'precondition',
      'The connection has ended; connect the number again to adopt what came for it',
    )
  const { adopted } = await adoptForConnection(ctx, connection, {
    ...(call.signal && { signal: call.signal }),
  })
  return { adopted }
}
