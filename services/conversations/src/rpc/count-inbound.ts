import type { Method } from '@lockstep/rpc'
import type { CountInboundRequest, CountInboundResponse } from '@lockstep/rpc/gen/conversations'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { countInbound as count } from '../db/message-list.ts'

/** How many messages people sent to a connection that arrived at or after a time. */
export const countInbound: Method<Context, CountInboundRequest, CountInboundResponse> = async (
  ctx,
  request,
  call,
) => {
  const connectionId = requireId(request.connectionId, 'connection')
  return {
    messages: await ctx.db.transaction(call.accountId, (tx) =>
      count(tx, connectionId, new Date(request.sinceMs)),
    ),
  }
}
