import { z } from 'zod'
import { hourMs, id, idParams, metaId, metaTimeoutMs, page, text, whole } from '../input.ts'
import { nextCursor, textOrNull, time } from '../response.ts'
import { chooseAgain, route } from '../route.ts'

const app = z
  .object({
    id: z.string(),
    name: z.string(),
    meta_app_id: z.string(),
    created_at: time,
    previous_secret_until: time,
    callback_url: textOrNull,
    webhook_verified_at: time,
  })
  .meta({ id: 'App' })

/** Its secrets go in and never come out again. */
export const createApp = route({
  method: 'POST',
  audit: 'accounts',
  path: '/v1/apps',
  right: 'connections.write',
  summary:
    'Registers a Meta app, with the secret that signs its webhooks and the token of its handshake.',
  body: z.strictObject({
    name: text(),
    meta_app_id: metaId,
    secret: text(),
    verify_token: text(),
  }),
  status: 201,
  response: app,
  errors: ['precondition'],
  afterLostResponse: { runs: 'same id' },
  run: (ctx, { body: { name, meta_app_id, secret, verify_token }, newId: id }, call) =>
    ctx.peers.accounts.createApp(
      { id, name, metaAppId: meta_app_id, secret, verifyToken: verify_token },
      call,
    ),
})

export const listApps = route({
  method: 'GET',
  path: '/v1/apps',
  right: 'connections.read',
  summary:
    'Lists the registered Meta apps, oldest first; ?cursor= is the next_cursor of the page before.',
  query: z.strictObject(page(id, 200)),
  response: z.object({ apps: z.array(app), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { cursor = '', limit } }, call) => {
    const { apps } = await ctx.peers.accounts.listApps({ after: cursor, limit }, call)
    return { apps, nextCursor: nextCursor(apps, limit, (row) => row.id) }
  },
})

export const getApp = route({
  method: 'GET',
  path: '/v1/apps/:id',
  right: 'connections.read',
  summary: 'Shows a registered Meta app.',
  params: idParams,
  response: app,
  errors: ['not_found'],
  run: (ctx, { params }, call) => ctx.peers.accounts.getApp(params, call),
})

export const updateApp = route({
  method: 'PATCH',
  path: '/v1/apps/:id',
  right: 'connections.write',
  summary:
    "Changes an app's name or the verify token of its handshake; what is not named stays as it is.",
  params: idParams,
  body: z.strictObject({ name: text().optional(), verify_token: text().optional() }),
  response: app,
  errors: ['not_found'],
  audit: 'accounts',
  afterLostResponse: chooseAgain('/v1/apps/:id'),
  run: (ctx, { params: { id }, body: { name, verify_token } }, call) =>
    ctx.peers.accounts.updateApp({ id, name, verifyToken: verify_token }, call),
})

/** Meta goes on signing with the secret before for a while. */
export const rotateAppSecret = route({
  method: 'POST',
  path: '/v1/apps/:id/rotate-secret',
  right: 'connections.write',
  summary:
    'Replaces the secret of an app, once Meta takes the new one; webhooks signed with the one before are accepted for overlap_hours.',
  params: idParams,
  body: z.strictObject({ secret: text(), overlap_hours: whole(0, 168).default(24) }),
  response: app,
  errors: ['not_found', 'precondition'],
  audit: 'accounts',
  afterLostResponse:
    'Setting the same secret again changes nothing: send the request with a new key.',
  run: (ctx, { params: { id }, body: { secret, overlap_hours } }, call) =>
    ctx.peers.accounts.rotateAppSecret(
      { id, secret, previousValidMs: overlap_hours * hourMs },
      call,
    ),
})

export const verifyWebhook = route({
  method: 'POST',
  path: '/v1/apps/:id/verify-webhook',
  right: 'connections.write',
  summary:
    "Has Meta ask callback_url with the app's verify token, and post its webhooks there; with replace in the place of another address. Connecting a number does it when it was not done.",
  params: idParams,
  body: z.strictObject({ replace: z.boolean().default(false) }),
  response: app,
  errors: ['not_found', 'precondition'],
  audit: 'accounts',
  afterLostResponse: 'Asking again does no harm: send the request with a new key.',
  run: (ctx, { params: { id }, body: { replace } }, call) =>
    ctx.peers.accounts.verifyWebhook({ id, replace }, { ...call, timeoutMs: metaTimeoutMs }),
})
