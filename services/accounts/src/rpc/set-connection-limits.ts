import type { Method } from '@lockstep/rpc'
import type { Connection, SetConnectionLimitsRequest } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import { record } from '../audit/record.ts'
import { checkLimits } from '../connections/limits.ts'
import type { Context } from '../context.ts'
import { findConnection } from '../db/connections.ts'
import { connectionToProto } from '../to-proto.ts'

/** Sets how fast a connection sends; refused past what Meta allows its number. */
export const setConnectionLimits: Method<Context, SetConnectionLimitsRequest, Connection> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const connection = await findConnection(tx, requireId(request.id, 'connection'))
    checkLimits(request, connection.maxPerSecond)
    const before = { per_minute: connection.perMinute, per_second: connection.perSecond }
    const after = { per_minute: request.perMinute, per_second: request.perSecond }
    const target = { targetKind: 'connections', targetId: connection.id }
    await record(ctx, tx, call, { action: 'setConnectionLimits', ...target, before, after })
    connection.perMinute = request.perMinute
    connection.perSecond = request.perSecond
    return connectionToProto(tx, connection, ctx.now())
  })
