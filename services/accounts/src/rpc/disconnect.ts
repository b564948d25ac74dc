import { events } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { Connection, DisconnectRequest } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import { record } from '../audit/record.ts'
import { announceHealth } from '../connections/announce-health.ts'
import type { Context } from '../context.ts'
import { findConnection } from '../db/connections.ts'
import { closeInterval } from '../db/intervals.ts'
import { connectionToProto } from '../to-proto.ts'

/**
 * Ends a connection's interval; webhooks received until now still belong to it. Doing it again
 * changes nothing.
 */
export const disconnect: Method<Context, DisconnectRequest, Connection> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const connection = await findConnection(tx, requireId(request.id, 'connection'), { lock: true })
    if (connection.disconnectedAt) return connectionToProto(tx, connection, ctx.now())
    connection.disconnectedAt = new Date(Math.max(ctx.now(), connection.connectedAt.getTime()))
    await closeInterval(tx, connection.phoneNumberId, connection.disconnectedAt)
    const target = { targetKind: 'connections', targetId: connection.id }
    await record(ctx, tx, call, { action: 'disconnect', ...target })
    tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, connection.appId))
    const told = await connectionToProto(tx, connection, ctx.now())
    await announceHealth(ctx, tx, told)
    return told
  })
