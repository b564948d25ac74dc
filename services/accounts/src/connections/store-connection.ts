import { AppError, events, secretPlaces } from '@lockstep/contracts'
import { isUniqueViolation, type Tx } from '@lockstep/database'
import type { Call } from '@lockstep/rpc'
import type { Connection as ConnectionProto } from '@lockstep/rpc/gen/accounts'
import { chosenId, feed, requireText } from '@lockstep/service'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { lockNumber } from '../db/connections.ts'
import { type App, type Connection, ConnectionSchema, type TokenColumns } from '../db/entities.ts'
import { openInterval } from '../db/intervals.ts'
import { connectionToProto } from '../to-proto.ts'
import { announceHealth } from './announce-health.ts'
import { defaultLimits } from './limits.ts'
import { detailsOf, reconnect } from './reconnect.ts'
import { checkedToken } from './token-facts.ts'
import { type VerifiedNumber, verifyAccess } from './verify-access.ts'
import type { NumberClaim } from './verify-number.ts'
import { noteVerified, requireWebhook } from './verify-webhook.ts'

/** A number that is to be connected. */
export interface ConnectionWish {
  /** The id that a number gets that was never connected; empty for a new one. */
  id: string
  /** Empty for the one that Meta verified. */
  name: string
  app: App
  claim: NumberClaim
  /** Of the request, as the audit log names it. */
  action: string
}

export interface VerifiedWish extends VerifiedNumber {
  isHandshakeNew: boolean
}

/** All that is asked of Meta before a number is stored. */
export async function verifyWish(
  ctx: Context,
  { app, claim }: Pick<ConnectionWish, 'app' | 'claim'>,
): Promise<VerifiedWish> {
  const isHandshakeNew = await requireWebhook(ctx, app, claim.signal)
  return { ...(await verifyAccess(ctx, app, claim)), isHandshakeNew }
}

/** Throws `conflict` for a number that another account has connected. */
export async function unlessElsewhere<T>(phoneNumberId: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new AppError(
      'conflict',
      `The number ${phoneNumberId} is connected already; disconnect it there first`,
      { cause: error },
    )
  }
}

/** Stores a number that is not connected; one that the account had before gets its connection back. */
export async function storeConnection(
  ctx: Context,
  tx: Tx,
  call: Pick<Call, 'actor'>,
  { wish, verified }: { wish: ConnectionWish; verified: VerifiedWish },
): Promise<ConnectionProto> {
  const { app, claim, action } = wish
  const { phoneNumberId, wabaId, token } = claim
  const known = await lockNumber(tx, phoneNumberId)
  if (wish.id && known?.id === wish.id) return connectionToProto(tx, known, ctx.now())
  if (known && !known.disconnectedAt)
    throw new AppError(
      'conflict',
      `The number ${phoneNumberId} is connected already; replace its token, or disconnect it first`,
    )
  const id = known?.id ?? chosenId(wish.id)
  const sealedToken = ctx.secrets.seal(token, secretPlaces.connection(id, tx.accountId!))
  const binding = { name: wish.name, appId: app.id, wabaId, sealedToken }
  const facts = { ...checkedToken(ctx, verified.token), details: detailsOf(verified.number) }
  const settings = { ...binding, ...facts, atMs: ctx.now() }
  const connection = known ?? newConnection(tx, { ...settings, id, phoneNumberId })
  if (known) reconnect(known, settings)
  await tx.em.flush()
  await openInterval(tx, connection)
  await feed(ctx, tx, { lane: 'webhooks.adopt', key: phoneNumberId, rowId: id })
  if (verified.isHandshakeNew) await noteVerified(ctx, tx, app)
  const after = { phone_number_id: phoneNumberId, waba_id: wabaId, app_id: app.id }
  await record(ctx, tx, call, { action, targetKind: 'connections', targetId: id, after })
  tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, app.id))
  const told = await connectionToProto(tx, connection, ctx.now())
  await announceHealth(ctx, tx, told)
  return told
}

interface NewConnection
  extends Pick<Connection, 'id' | 'name' | 'phoneNumberId' | 'appId' | 'wabaId' | 'sealedToken'>,
    TokenColumns {
  details: ReturnType<typeof detailsOf>
  atMs: number
}

function newConnection(tx: Tx, { name, details, atMs, ...rest }: NewConnection): Connection {
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
