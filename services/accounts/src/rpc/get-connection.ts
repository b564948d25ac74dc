import type { Method } from '@lockstep/rpc'
import type { Connection, GetConnectionRequest } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findConnection } from '../db/connections.ts'
import { connectionToProto } from '../to-proto.ts'

/** One connection of the account. */
export const getConnection: Method<Context, GetConnectionRequest, Connection> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) =>
    connectionToProto(tx, await findConnection(tx, requireId(request.id, 'connection')), ctx.now()),
  )
