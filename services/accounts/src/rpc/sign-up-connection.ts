import { createHash } from 'node:crypto'
import { AppError, secretPlaces } from '@lockstep/contracts'
import type { Call, Method } from '@lockstep/rpc'
import type { Connection, SignUpConnectionRequest } from '@lockstep/rpc/gen/accounts'
import { chosenId, requireId, requireText } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import { requireMetaId } from '../connections/meta-ids.ts'
import { registerIfNeeded, requirePin } from '../connections/register-number.ts'
import { replaceStoredToken } from '../connections/replace-stored-token.ts'
import {
  type ConnectionWish,
  storeConnection,
  unlessElsewhere,
  verifyWish,
} from '../connections/store-connection.ts'
import { refuse } from '../connections/verify-access.ts'
import type { Context } from '../context.ts'
import { findApp } from '../db/apps.ts'
import { findConnection, lockNumber } from '../db/connections.ts'
import type { App } from '../db/entities.ts'
import { endSignUp, keepToken, releaseSignUp, type SignUpRow, takeSignUp } from '../db/sign-ups.ts'
import { appSecretOf } from '../secrets/app-secret.ts'
import { connectionToProto } from '../to-proto.ts'

/**
 * Connects the number of a customer who went through Embedded Signup. Each step that can't be done
 * twice leaves a row, so that the same code goes on where a request before was lost.
 */
export const signUpConnection: Method<Context, SignUpConnectionRequest, Connection> = async (
  ctx,
  request,
  call,
) => {
  const wish = {
    code: requireText(request.code, 'code', 4_096),
    phoneNumberId: requireMetaId(request.phoneNumberId, 'phone_number_id'),
    wabaId: requireMetaId(request.wabaId, 'waba_id'),
    pin: requirePin(request.pin),
  }
  const app = await ctx.db.transaction(call.accountId, (tx) =>
    findApp(tx, requireId(request.appId, 'app')),
  )
  const signUp = await take(ctx, call, app, wish.code)
  if (signUp.connectionId) return connected(ctx, call, signUp.connectionId)
  try {
    const token = await tokenOf(ctx, call, { app, signUp, code: wish.code })
    return await connect(ctx, call, { app, signUp, token, request, ...wish })
  } catch (error) {
    await ctx.db.transaction(call.accountId, (tx) =>
      releaseSignUp(tx, signUp.id, new Date(ctx.now())),
    )
    throw error
  }
}

async function take(ctx: Context, call: Call, app: App, code: string): Promise<SignUpRow> {
  const at = new Date(ctx.now())
  const busyUntil = new Date(ctx.now() + ctx.times.signUpBusyMs)
  const codeHash = createHash('sha256').update(code).digest()
  const signUp = await ctx.db.transaction(call.accountId!, (tx) =>
    takeSignUp(tx, { id: uuid(), appId: app.id, codeHash, at, busyUntil }),
  )
  if (signUp) return signUp
  throw new AppError(
    'conflict',
    'A request with this code is under way; send it again in a minute for its answer',
  )
}

const connected = (ctx: Context, call: Call, id: string): Promise<Connection> =>
  ctx.db.transaction(call.accountId!, async (tx) =>
    connectionToProto(tx, await findConnection(tx, id), ctx.now()),
  )

/** What the code is exchanged for, now or by a request before. */
async function tokenOf(
  ctx: Context,
  { accountId, signal }: Call,
  { app, signUp, code }: { app: App; signUp: SignUpRow; code: string },
): Promise<string> {
  const { db, graph, secrets } = ctx
  const place = secretPlaces.signUp(signUp.id, accountId!)
  if (signUp.sealedToken) return secrets.open(signUp.sealedToken, place)
  const asked = { metaAppId: app.metaAppId, appSecret: appSecretOf(ctx, app), code }
  const token = await graph
    .exchangeCode({ ...asked, ...(signal && { signal }) })
    .catch((error) => refuse(error, 'Meta does not exchange this code for a token'))
  await db.transaction(accountId!, (tx) => keepToken(tx, signUp.id, secrets.seal(token, place)))
  return token
}

interface Exchanged {
  app: App
  signUp: SignUpRow
  token: string
  request: SignUpConnectionRequest
  phoneNumberId: string
  wabaId: string
  pin: string
}

async function connect(ctx: Context, call: Call, exchanged: Exchanged): Promise<Connection> {
  const { app, signUp, token, request, phoneNumberId, wabaId, pin } = exchanged
  const claim = { phoneNumberId, wabaId, token, signal: call.signal }
  const action = 'signUpConnection'
  const wish = { id: chosenId(request.id), name: request.name, app, claim, action }
  const verified = await verifyWish(ctx, wish)
  await registerIfNeeded(ctx, verified.number, { ...verified.access, pin, signal: call.signal })
  const stored = ctx.db.transaction(call.accountId!, async (tx) => {
    const connection =
      (await renew(ctx, call, tx, wish, verified.token)) ??
      (await storeConnection(ctx, tx, call, { wish, verified }))
    await endSignUp(tx, signUp.id, connection.id)
    return connection
  })
  return unlessElsewhere(phoneNumberId, stored)
}

/** A number that is connected by the same app already gets the new token. */
async function renew(
  ctx: Context,
  call: Call,
  tx: Parameters<typeof lockNumber>[0],
  { app, claim: { phoneNumberId, wabaId, token }, action }: ConnectionWish,
  facts: Parameters<typeof replaceStoredToken>[3]['facts'],
): Promise<Connection | undefined> {
  const connection = await lockNumber(tx, phoneNumberId)
  if (!connection || connection.disconnectedAt) return undefined
  if (connection.appId !== app.id || connection.wabaId !== wabaId) return undefined
  return replaceStoredToken(ctx, tx, call, { connection, token, facts, action })
}
