import type { Method } from '@lockstep/rpc'
import type { Connection, GetConnectionRequest } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { sealedSecretOf } from '../db/apps.ts'
import { findConnection } from '../db/connections.ts'
import { connectionToProto } from '../to-proto.ts'

/** One connection of the account, with what its calls of Graph are made with. */
export const getConnection: Method<Context, GetConnectionRequest, Connection> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const connection = await findConnection(tx, requireId(request.id, 'connection'))
    const sealedAppSecret = await sealedSecretOf(tx, connection.appId)
    return { ...(await connectionToProto(tx, connection, ctx.now())), sealedAppSecret }
  })
