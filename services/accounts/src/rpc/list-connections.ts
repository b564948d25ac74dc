import type { Method } from '@lockstep/rpc'
import type { ListConnectionsRequest, ListConnectionsResponse } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { ConnectionSchema } from '../db/entities.ts'
import { connectionToProto } from '../to-proto.ts'

/** The account's connections, oldest first. */
export const listConnections: Method<Context, ListConnectionsRequest, ListConnectionsResponse> = (ctx, _request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const connections = await tx.em.find(ConnectionSchema, { accountId: call.accountId }, { orderBy: { id: 'asc' } })
    return { connections: connections.map((connection) => connectionToProto(connection, ctx.now())) }
  })
