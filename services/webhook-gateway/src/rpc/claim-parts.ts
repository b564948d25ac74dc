import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ClaimPartsRequest, ClaimPartsResponse } from '@lockstep/rpc/gen/webhook_gateway'
import { requireId } from '@lockstep/service'
import { claimForConnection } from '../claims.ts'
import type { Context } from '../context.ts'

/**
 * Opens what was received for a connection's number and WABA before anybody had them, if its app signed it, or one that it had before; what another
 * app signed stays. Connecting does the same by itself. Throws `not_found` for another account's connection, and `precondition` for
 * one that has ended: what came for it belongs to nobody any more.
 */
export const claimParts: Method<Context, ClaimPartsRequest, ClaimPartsResponse> = async (
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
      'The connection has ended; connect the number again to claim what came for it',
    )
  const { claimed } = await claimForConnection(ctx, connection, {
    ...(call.signal && { signal: call.signal }),
  })
  return { claimed }
}
