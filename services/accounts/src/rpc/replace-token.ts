import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { Connection, ReplaceTokenRequest } from '@lockstep/rpc/gen/accounts'
import { requireId, requireText } from '@lockstep/service'
import { replaceStoredToken } from '../connections/replace-stored-token.ts'
import { verifyAccess } from '../connections/verify-access.ts'
import type { Context } from '../context.ts'
import { findApp } from '../db/apps.ts'
import { findConnection } from '../db/connections.ts'
import type { Connection as ConnectionRow } from '../db/entities.ts'

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
    return replaceStoredToken(ctx, tx, call, { connection, token, facts, action: 'replaceToken' })
  })
}

function requireConnected(connection: ConnectionRow): ConnectionRow {
  if (!connection.disconnectedAt) return connection
  throw new AppError(
    'precondition',
    `The number ${connection.phoneNumberId} is disconnected; connect it again with the new token`,
  )
}
