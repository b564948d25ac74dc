import { z } from 'zod'
import { metaId, text } from '../input.ts'
import { route } from '../route.ts'

const app = z
  .object({ id: z.string(), name: z.string(), meta_app_id: z.string() })
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
