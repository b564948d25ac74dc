import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ClaimPartsRequest, ClaimPartsResponse } from '@lockstep/rpc/gen/webhook_gateway'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { claimParts as claimBatch, maxClaimed } from '../db/reopen.ts'
import { countClaimed } from '../metrics.ts'

/**
 * Opens what was received for a connection's number and WABA before anybody had them, if its app signed it; what another app
 * signed stays. A call that is cut off has claimed a part of it, and the next goes on. Throws `notFound` for another account's
 * connection, and `precondition` for one that has ended: what came for it belongs to nobody any more.
 */
export const claimParts: Method<Context, ClaimPartsRequest, ClaimPartsResponse> = async (ctx, { connectionId }, call) => {
  const connection = await ctx.accounts.getConnection({ id: requireId(connectionId, 'connection') }, call)
  if (connection.disconnectedAtMs !== undefined)
    throw new AppError('precondition', 'The connection has ended; connect the number again to claim what came for it')
  const { appId, phoneNumberId, wabaId, connectedAtMs } = connection
  // The consumer asks whose they are at this time; never one before the connection's own, by whatever clock that was set.
  const at = new Date(Math.max(ctx.now(), connectedAtMs))
  for (let claimed = 0; ; ) {
    const opened = await ctx.db.system((tx) => claimBatch(tx, { appId, phoneNumberId, wabaId, at }))
    for (const { lane, key } of opened) ctx.messaging.ring(lane, key)
    const parts = opened.reduce((sum, batch) => sum + batch.parts, 0)
    countClaimed(parts)
    claimed += parts
    if (parts < maxClaimed) {
      ctx.log.info({ accountId: call.accountId, connectionId, claimed }, 'webhook parts are claimed')
      return { claimed }
    }
    call.signal?.throwIfAborted()
  }
}
