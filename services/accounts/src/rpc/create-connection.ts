import { AppError, events, secretPlaces } from '@lockstep/contracts'
import { isUniqueViolation } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type { Connection, CreateConnectionRequest } from '@lockstep/rpc/gen/accounts'
import { feed, requireId, requireText } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import { defaultLimits, maxPerSecond } from '../connection.ts'
import type { Context } from '../context.ts'
import { ConnectionSchema } from '../db/entities.ts'
import { findApp } from '../db/queries.ts'
import { connectionToProto } from '../to-proto.ts'

/**
 * Connects a number: asks Meta for it with the token, so that a wrong token or id is seen here and not at the first send. News of
 * templates and of the account come by the WABA's id alone: a wrong one would lose ours and keep another tenant's from it. What
 * came for the number before is claimed by the gateway, which is told so in the same transaction.
 */
export const createConnection: Method<Context, CreateConnectionRequest, Connection> = async (ctx, request, call) => {
  const { accountId } = call
  const token = requireText(request.accessToken, 'access_token', 4_096)
  const phoneNumberId = requireText(request.phoneNumberId, 'phone_number_id')
  const wabaId = requireText(request.wabaId, 'waba_id')
  const [number, isOfWaba] = await Promise.all([
    ctx.graph.getPhoneNumber({ phoneNumberId, token, signal: call.signal }),
    ctx.graph.hasPhoneNumber({ wabaId, phoneNumberId, token, signal: call.signal }),
  ])
  if (!isOfWaba)
    throw new AppError(
      'precondition',
      `Number ${phoneNumberId} is not in WhatsApp Business Account ${wabaId} at Meta; take the "waba_id" that Meta shows beside the number`,
    )
  const id = uuid()
  try {
    return await ctx.db.transaction(accountId, async (tx) => {
      const app = await findApp(tx, requireId(request.appId, 'app'))
      const connection = tx.em.create(ConnectionSchema, {
        id,
        accountId,
        name: requireText(request.name || number.verifiedName, 'name'),
        phoneNumberId,
        wabaId,
        appId: app.id,
        displayPhoneNumber: number.displayPhoneNumber,
        verifiedName: number.verifiedName,
        sealedToken: ctx.secrets.seal(token, secretPlaces.connection(id, accountId)),
        ...defaultLimits,
        maxPerSecond: maxPerSecond(number.throughput),
        quality: number.quality,
        messagingLimit: number.messagingLimit,
        holds: {},
        newsAt: {},
        connectedAt: new Date(ctx.now()),
      })
      await feed(ctx, tx, { lane: 'webhooks.claim', key: phoneNumberId, rowId: id })
      tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, app.id))
      return connectionToProto(connection, ctx.now())
    })
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new AppError('conflict', `The number ${phoneNumberId} is connected already; disconnect it there first`, { cause: error })
  }
}
