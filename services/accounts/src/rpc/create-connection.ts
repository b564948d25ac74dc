import { AppError, events, secretPlaces } from '@lockstep/contracts'
import { isUniqueViolation, type Tx } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type { Connection, CreateConnectionRequest } from '@lockstep/rpc/gen/accounts'
import { chosenId, feed, requireId, requireText } from '@lockstep/service'
import { record } from '../audit/record.ts'
import { announceHealth } from '../connections/announce-health.ts'
import { defaultLimits } from '../connections/limits.ts'
import { requireMetaId } from '../connections/meta-ids.ts'
import { detailsOf, reconnect } from '../connections/reconnect.ts'
import { checkedToken } from '../connections/token-facts.ts'
import { verifyAccess } from '../connections/verify-access.ts'
import { noteVerified, requireWebhook } from '../connections/verify-webhook.ts'
import type { Context } from '../context.ts'
import { findApp } from '../db/apps.ts'
import { lockNumber } from '../db/connections.ts'
import {
  type Connection as ConnectionRow,
  ConnectionSchema,
  type TokenColumns,
} from '../db/entities.ts'
import { openInterval } from '../db/intervals.ts'
import { connectionToProto } from '../to-proto.ts'

/**
 * Connects a number that Meta lets the token use; one that the account had before gets its
 * connection back. The gateway then adopts what came for it meanwhile.
 */
export const createConnection: Method<Context, CreateConnectionRequest, Connection> = async (
  ctx,
  request,
  call,
) => {
  const { accountId } = call
  const token = requireText(request.accessToken, 'access_token', 4_096)
  const phoneNumberId = requireMetaId(request.phoneNumberId, 'phone_number_id')
  const wabaId = requireMetaId(request.wabaId, 'waba_id')
  const app = await ctx.db.transaction(accountId, (tx) =>
    findApp(tx, requireId(request.appId, 'app')),
  )
  const claim = { phoneNumberId, wabaId, token, signal: call.signal }
  const isChecked = await requireWebhook(ctx, app, call.signal)
  const { number, token: facts } = await verifyAccess(ctx, app, claim)
  try {
    return await ctx.db.transaction(accountId, async (tx) => {
      const appId = app.id
      const known = await lockNumber(tx, phoneNumberId)
      if (request.id && known?.id === request.id) return connectionToProto(tx, known, ctx.now())
      if (known && !known.disconnectedAt)
        throw new AppError(
          'conflict',
          `The number ${phoneNumberId} is connected already; replace its token, or disconnect it first`,
        )
      const id = known?.id ?? chosenId(request.id)
      const sealedToken = ctx.secrets.seal(token, secretPlaces.connection(id, accountId))
      const binding = {
        ...{ name: request.name, appId, wabaId, sealedToken },
        ...checkedToken(ctx, facts),
      }
      const settings = { ...binding, details: detailsOf(number), atMs: ctx.now() }
      const connection = known ?? newConnection(tx, { ...settings, id, phoneNumberId })
      if (known) reconnect(known, settings)
      await tx.em.flush()
      await openInterval(tx, connection)
      await feed(ctx, tx, { lane: 'webhooks.adopt', key: phoneNumberId, rowId: id })
      if (isChecked) await noteVerified(ctx, tx, app)
      const target = { targetKind: 'connections', targetId: id }
      const after = { phone_number_id: phoneNumberId, waba_id: wabaId, app_id: appId }
      await record(ctx, tx, call, { action: 'createConnection', ...target, after })
      tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, appId))
      const told = await connectionToProto(tx, connection, ctx.now())
      await announceHealth(ctx, tx, told)
      return told
    })
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new AppError(
      'conflict',
      `The number ${phoneNumberId} is connected already; disconnect it there first`,
      { cause: error },
    )
  }
}

interface NewConnection
  extends Pick<ConnectionRow, 'id' | 'name' | 'phoneNumberId' | 'appId' | 'wabaId' | 'sealedToken'>,
    TokenColumns {
  details: ReturnType<typeof detailsOf>
  atMs: number
}

function newConnection(tx: Tx, { name, details, atMs, ...rest }: NewConnection): ConnectionRow {
  return tx.em.create(ConnectionSchema, {
    ...rest,
    ...details,
    ...defaultLimits,
    name: requireText(name || details.verifiedName, 'name'),
    accountId: tx.accountId!,
    healthIssues: {},
    factTimes: {},
    connectedAt: new Date(atMs),
  })
}
