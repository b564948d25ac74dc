import { AppError, events, secretPlaces } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { Connection, ReplaceTokenRequest } from '@lockstep/rpc/gen/accounts'
import { requireId, requireText } from '@lockstep/service'
import { record } from '../audit/record.ts'
import { announceHealth } from '../connections/announce-health.ts'
import { checkedToken } from '../connections/token-facts.ts'
import { verifyAccess } from '../connections/verify-access.ts'
import type { Context } from '../context.ts'
import { findApp } from '../db/apps.ts'
import { findConnection } from '../db/connections.ts'
import type { Connection as ConnectionRow } from '../db/entities.ts'
import { connectionToProto } from '../to-proto.ts'
import { restoreAccess } from '../updates/account-update-rules.ts'

/**
 * Gives a connection another token once Meta lets it use the number; nothing else changes, so that
 * what was paused can go on.
 */
export const replaceToken: Method<Context, ReplaceTokenRequest, Connection> = async (
  ctx,
  request,
  call,
) => {
  const { accountId } = call
  const token = requireText(request.accessToken, 'access_token', 4_096)
  const id = requireId(request.id, 'connection')
  const { before, app } = await ctx.db.transaction(accountId, async (tx) => {
    const before = requireConnected(await findConnection(tx, id))
    return { before, app: await findApp(tx, before.appId) }
  })
  const { phoneNumberId, wabaId } = before
  const claim = { phoneNumberId, wabaId, token, signal: call.signal }
  const { token: facts } = await verifyAccess(ctx, app, claim)
  return ctx.db.transaction(accountId, async (tx) => {
    const connection = requireConnected(await findConnection(tx, id, { lock: true }))
    if (connection.connectedAt.getTime() !== before.connectedAt.getTime())
      throw new AppError(
        'conflict',
        `The number ${phoneNumberId} was connected again meanwhile, with a token of its own`,
      )
    connection.sealedToken = ctx.secrets.seal(token, secretPlaces.connection(id, accountId))
    Object.assign(connection, checkedToken(ctx, facts))
    restoreAccess(connection, ctx.now())
    const target = { targetKind: 'connections', targetId: id }
    await record(ctx, tx, call, { action: 'replaceToken', ...target })
    tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, connection.appId))
    const told = await connectionToProto(tx, connection, ctx.now())
    await announceHealth(ctx, tx, told)
    return told
  })
}

function requireConnected(connection: ConnectionRow): ConnectionRow {
  if (!connection.disconnectedAt) return connection
  throw new AppError(
    'precondition',
    `The number ${connection.phoneNumberId} is disconnected; connect it again with the new token`,
  )
}
