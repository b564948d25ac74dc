import type { Method } from '@lockstep/rpc'
import type { ListConnectionsRequest, ListConnectionsResponse } from '@lockstep/rpc/gen/accounts'
import { pageLimit, requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { listConnections as connectionsPage } from '../db/connections.ts'
import { connectionsToProto } from '../to-proto.ts'

/** A page of the account's connections in id order, so oldest first; 50 by default. */
export const listConnections: Method<
  Context,
  ListConnectionsRequest,
  ListConnectionsResponse
> = async (ctx, request, call) => {
  const page = {
    after: request.after && requireId(request.after, 'connection'),
    limit: pageLimit(request.limit, 50, 200),
  }
  return ctx.db.transaction(call.accountId, async (tx) => ({
    connections: await connectionsToProto(tx, await connectionsPage(tx, page), ctx.now()),
  }))
}
