import { events, secretPlaces } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { App, RotateAppSecretRequest } from '@lockstep/rpc/gen/accounts'
import { requireId, requireText } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findApp } from '../db/queries.ts'
import { appToProto } from '../to-proto.ts'

/** Replaces an app's secret; the one before stays valid, for Meta goes on signing with it for a while. Doing it again changes nothing. */
export const rotateAppSecret: Method<Context, RotateAppSecretRequest, App> = async (ctx, request, call) => {
  const secret = requireText(request.secret, 'secret')
  return ctx.db.transaction(call.accountId, async (tx) => {
    const app = await findApp(tx, requireId(request.id, 'app'), { lock: true })
    const place = secretPlaces.app(app.id, app.accountId)
    if (ctx.secrets.open(app.sealedSecret, place) === secret) return appToProto(app)
    app.sealedPreviousSecret = app.sealedSecret
    app.sealedSecret = ctx.secrets.seal(secret, place)
    tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged))
    return appToProto(app)
  })
}
