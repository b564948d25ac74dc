import { AppError, events, secretPlaces } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { App, RotateAppSecretRequest } from '@lockstep/rpc/gen/accounts'
import { requireId, requireText } from '@lockstep/service'
import { record } from '../audit/record.ts'
import { verifyApp } from '../connections/verify-access.ts'
import type { Context } from '../context.ts'
import { findApp } from '../db/apps.ts'
import { appToProto } from '../to-proto.ts'

const day = 86_400_000
/**
 * Meta goes on signing with the secret before for a while, and sends a webhook again for up to 7
 * days.
 */
const previousValid = { usualMs: day, maxMs: 7 * day }

/**
 * Replaces an app's secret; the one before stays good for a time. Doing it again changes nothing,
 * nor that time.
 */
export const rotateAppSecret: Method<Context, RotateAppSecretRequest, App> = async (
  ctx,
  request,
  call,
) => {
  const secret = requireText(request.secret, 'secret')
  const validMs = request.previousValidMs ?? previousValid.usualMs
  if (!(validMs >= 0 && validMs <= previousValid.maxMs))
    throw new AppError(
      'invalid',
      `"previous_valid_ms" must be from 0 to ${previousValid.maxMs}, which are 7 days; it is ${validMs}`,
    )
  const id = requireId(request.id, 'app')
  const { metaAppId } = await ctx.db.transaction(call.accountId, (tx) => findApp(tx, id))
  await verifyApp(ctx, { metaAppId, appSecret: secret, signal: call.signal })
  return ctx.db.transaction(call.accountId, async (tx) => {
    const app = await findApp(tx, id, { lock: true })
    const place = secretPlaces.appSecret(app.id, app.accountId)
    if (ctx.secrets.open(app.sealedSecret, place) === secret) return appToProto(ctx, app)
    app.sealedPreviousSecret = app.sealedSecret
    app.previousSecretUntil = new Date(ctx.now() + validMs)
    app.sealedSecret = ctx.secrets.seal(secret, place)
    const target = { targetKind: 'apps', targetId: app.id }
    await record(ctx, tx, call, { action: 'rotateAppSecret', ...target })
    tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, app.id))
    return appToProto(ctx, app)
  })
}
