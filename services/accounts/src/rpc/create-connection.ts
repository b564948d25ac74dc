import type { Method } from '@lockstep/rpc'
import type { Connection, CreateConnectionRequest } from '@lockstep/rpc/gen/accounts'
import { requireId, requireText } from '@lockstep/service'
import { requireMetaId } from '../connections/meta-ids.ts'
import { storeConnection, unlessElsewhere, verifyWish } from '../connections/store-connection.ts'
import type { Context } from '../context.ts'
import { findApp } from '../db/apps.ts'

/**
 * Connects a number that Meta lets the token use; one that the account had before gets its
 * connection back. The gateway then adopts what came for it meanwhile.
 */
export const createConnection: Method<Context, CreateConnectionRequest, Connection> = async (
  ctx,
  request,
  call,
) => {
  const { accountId, signal } = call
  const token = requireText(request.accessToken, 'access_token', 4_096)
  const phoneNumberId = requireMetaId(request.phoneNumberId, 'phone_number_id')
  const wabaId = requireMetaId(request.wabaId, 'waba_id')
  const app = await ctx.db.transaction(accountId, (tx) =>
    findApp(tx, requireId(request.appId, 'app')),
  )
  const claim = { phoneNumberId, wabaId, token, signal }
  const wish = { id: request.id, name: request.name, app, claim, action: 'createConnection' }
  const verified = await verifyWish(ctx, wish)
  const stored = ctx.db.transaction(accountId, (tx) =>
    storeConnection(ctx, tx, call, { wish, verified }),
  )
  return unlessElsewhere(phoneNumberId, stored)
}
