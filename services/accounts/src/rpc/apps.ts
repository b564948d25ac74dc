import { events, secretPlaces } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  App,
  GetAppRequest,
  ListAppsRequest,
  ListAppsResponse,
  UpdateAppRequest,
} from '@lockstep/rpc/gen/accounts'
import { pageLimit, requireId, requireText } from '@lockstep/service'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { appsPage, findApp } from '../db/apps.ts'
import { appToProto } from '../to-proto.ts'

export const getApp: Method<Context, GetAppRequest, App> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) =>
    appToProto(await findApp(tx, requireId(request.id, 'app')), ctx.now()),
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
    apps: (await appsPage(tx, page)).map((app) => appToProto(app, ctx.now())),
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
      tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, app.id))
    }
    const after = { name: app.name, has_new_verify_token: request.verifyToken !== undefined }
    const target = { targetKind: 'apps', targetId: app.id }
    await record(ctx, tx, call, { action: 'updateApp', ...target, before, after })
    return appToProto(app, ctx.now())
  })
