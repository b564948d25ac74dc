import { AppError, events, secretPlaces } from '@lockstep/contracts'
import { isUniqueViolation, type Tx } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type { Connection, CreateConnectionRequest } from '@lockstep/rpc/gen/accounts'
import { feed, requireId, requireText } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import { connectAgain, factsOf } from '../connect-again.ts'
import { defaultLimits } from '../connection.ts'
import type { Context } from '../context.ts'
import { type Connection as ConnectionRow, ConnectionSchema } from '../db/entities.ts'
import { openInterval } from '../db/intervals.ts'
import { findApp, lockNumber } from '../db/queries.ts'
import { connectionToProto } from '../to-proto.ts'
import { verifyNumber } from '../verify-number.ts'

/**
 * Connects a number that Meta lets the token use. One that the account had before is the connection that it was, with its id, its
 * limits and all that hangs on it. What came for it meanwhile is claimed by the gateway, which is told so in the same transaction.
 */
export const createConnection: Method<Context, CreateConnectionRequest, Connection> = async (
  ctx,
  request,
  call,
) => {
  const { accountId } = call
  const token = requireText(request.accessToken, 'access_token', 4_096)
  const phoneNumberId = requireText(request.phoneNumberId, 'phone_number_id')
  const wabaId = requireText(request.wabaId, 'waba_id')
  const number = await verifyNumber(ctx, { phoneNumberId, wabaId, token, signal: call.signal })
  try {
    return await ctx.db.transaction(accountId, async (tx) => {
      const { id: appId } = await findApp(tx, requireId(request.appId, 'app'))
      const known = await lockNumber(tx, phoneNumberId)
      if (known && !known.disconnectedAt)
        throw new AppError(
          'conflict',
          `The number ${phoneNumberId} is connected already; replace its token, or disconnect it first`,
        )
      const id = known?.id ?? uuid()
      const sealedToken = ctx.secrets.seal(token, secretPlaces.connection(id, accountId))
      const now = {
        name: request.name,
        appId,
        wabaId,
        sealedToken,
        facts: factsOf(number),
        atMs: ctx.now(),
      }
      const connection = known ?? newConnection(tx, { ...now, id, phoneNumberId })
      if (known) connectAgain(known, now)
      await tx.em.flush()
      await openInterval(tx, connection)
      await feed(ctx, tx, { lane: 'webhooks.claim', key: phoneNumberId, rowId: id })
      tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, appId))
      return connectionToProto(tx, connection, ctx.now())
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
  extends Pick<
    ConnectionRow,
    'id' | 'name' | 'phoneNumberId' | 'appId' | 'wabaId' | 'sealedToken'
  > {
  facts: ReturnType<typeof factsOf>
  atMs: number
}

function newConnection(tx: Tx, { name, facts, atMs, ...rest }: NewConnection): ConnectionRow {
  return tx.em.create(ConnectionSchema, {
    ...rest,
    ...facts,
    ...defaultLimits,
    name: requireText(name || facts.verifiedName, 'name'),
    accountId: tx.accountId!,
    holds: {},
    newsAt: {},
    connectedAt: new Date(atMs),
  })
}
