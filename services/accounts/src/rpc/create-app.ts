import { events, secretPlaces } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { App, CreateAppRequest } from '@lockstep/rpc/gen/accounts'
import { chosenId, requireText } from '@lockstep/service'
import { record } from '../audit/record.ts'
import { requireMetaId } from '../connections/meta-ids.ts'
import { verifyApp } from '../connections/verify-access.ts'
import type { Context } from '../context.ts'
import { AppSchema } from '../db/entities.ts'
import { appToProto } from '../to-proto.ts'

/** Registers a Meta app whose secret Meta takes; its webhook address is /webhooks/<id of the answer> at the gateway. */
export const createApp: Method<Context, CreateAppRequest, App> = async (ctx, request, call) => {
  const id = chosenId(request.id)
  const { accountId } = call
  const secret = requireText(request.secret, 'secret')
  const verifyToken = requireText(request.verifyToken, 'verify_token')
  const name = requireText(request.name, 'name')
  const metaAppId = requireMetaId(request.metaAppId, 'meta_app_id')
  await verifyApp(ctx, { metaAppId, appSecret: secret, signal: call.signal })
  return ctx.db.transaction(accountId, async (tx) => {
    const made = request.id ? await tx.em.findOne(AppSchema, { id, accountId }) : null
    if (made) return appToProto(ctx, made)
    const app = tx.em.create(AppSchema, {
      id,
      accountId,
      name,
      metaAppId,
      sealedSecret: ctx.secrets.seal(secret, secretPlaces.appSecret(id, accountId)),
      sealedVerifyToken: ctx.secrets.seal(verifyToken, secretPlaces.appVerifyToken(id, accountId)),
      createdAt: new Date(ctx.now()),
    })
    const target = { targetKind: 'apps', targetId: id }
    const after = { name: app.name, meta_app_id: app.metaAppId }
    await record(ctx, tx, call, { action: 'createApp', ...target, after })
    tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, id))
    return appToProto(ctx, app)
  })
}
