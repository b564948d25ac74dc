import type { Method } from '@lockstep/rpc'
import type { Connection, RenameConnectionRequest } from '@lockstep/rpc/gen/accounts'
import { requireId, requireText } from '@lockstep/service'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { findConnection } from '../db/connections.ts'
import { connectionToProto } from '../to-proto.ts'

/** Gives a connection another name, also one that has ended. */
export const renameConnection: Method<Context, RenameConnectionRequest, Connection> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const name = requireText(request.name, 'name')
    const connection = await findConnection(tx, requireId(request.id, 'connection'), { lock: true })
    const target = { targetKind: 'connections', targetId: connection.id }
    const change = { before: { name: connection.name }, after: { name } }
    await record(ctx, tx, call, { action: 'renameConnection', ...target, ...change })
    connection.name = name
    return connectionToProto(tx, connection, ctx.now())
  })
