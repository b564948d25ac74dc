import { events, secretPlaces } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  App,
  GetAppRequest,
  ListAppsRequest,
  ListAppsResponse,
  UpdateAppRequest,
  VerifyWebhookRequest,
} from '@lockstep/rpc/gen/accounts'
import { pageLimit, requireId, requireText } from '@lockstep/service'
import { record } from '../audit/record.ts'
import { noteVerified, verifyWebhook as verify } from '../connections/verify-webhook.ts'
import type { Context } from '../context.ts'
import { appsPage, findApp } from '../db/apps.ts'
import { appToProto } from '../to-proto.ts'

export const getApp: Method<Context, GetAppRequest, App> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) =>
    appToProto(ctx, await findApp(tx, requireId(request.id, 'app'))),
  )

/** A page of the account's apps in id order, so oldest first; 50 by default. */
export const listApps: Method<Context, ListAppsRequest, ListAppsResponse> = (
  ctx,
  request,
  call,
) => {
  const page = {
    after: request.after && requireId(request.after, 'app'),
    limit: pageLimit(request.limit, 50, 200),
  }
  return ctx.db.transaction(call.accountId, async (tx) => ({
    apps: (await appsPage(tx, page)).map((app) => appToProto(ctx, app)),
  }))
}

/** Changes what is named; Meta's next handshake asks for the new verify token. */
export const updateApp: Method<Context, UpdateAppRequest, App> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const app = await findApp(tx, requireId(request.id, 'app'), { lock: true })
    const before = { name: app.name }
    if (request.name !== undefined) app.name = requireText(request.name, 'name')
    if (request.verifyToken !== undefined) {
      const verifyToken = requireText(request.verifyToken, 'verify_token')
      const place = secretPlaces.appVerifyToken(app.id, app.accountId)
      app.sealedVerifyToken = ctx.secrets.seal(verifyToken, place)
      app.webhookVerifiedAt = null
      tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, app.id))
    }
    const after = { name: app.name, has_new_verify_token: request.verifyToken !== undefined }
    const target = { targetKind: 'apps', targetId: app.id }
    await record(ctx, tx, call, { action: 'updateApp', ...target, before, after })
    return appToProto(ctx, app)
  })

/** Has Meta ask the gateway with the app's verify token, and post the app's webhooks there. */
export const verifyWebhook: Method<Context, VerifyWebhookRequest, App> = async (
  ctx,
  request,
  call,
) => {
  const id = requireId(request.id, 'app')
  const app = await ctx.db.transaction(call.accountId, (tx) => findApp(tx, id))
  await verify(ctx, app, { replace: request.replace, signal: call.signal })
  return ctx.db.transaction(call.accountId, async (tx) => {
    const verified = await noteVerified(ctx, tx, app)
    const target = { targetKind: 'apps', targetId: id }
    const after = { replace: request.replace }
    await record(ctx, tx, call, { action: 'verifyWebhook', ...target, after })
    return appToProto(ctx, verified)
  })
}
