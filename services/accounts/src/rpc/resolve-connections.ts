import type { Method } from '@lockstep/rpc'
import type { ListConnectionsResponse, ResolveConnectionsRequest } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { connectionsAt } from '../db/queries.ts'
import { connectionToProto } from '../to-proto.ts'

/** The connections that a number or WABA belonged to at a time. Webhooks are read with it, before their tenant is known. */
export const resolveConnections: Method<Context, ResolveConnectionsRequest, ListConnectionsResponse> = (ctx, request) =>
  ctx.db.system(async (tx) => {
    const connections = await connectionsAt(tx, request.phoneNumberId, request.wabaId, new Date(request.atMs))
    return { connections: connections.map((connection) => connectionToProto(connection, ctx.now())) }
  })
