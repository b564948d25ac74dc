import { z } from 'zod'
import { text } from '../input.ts'
import { route } from '../route.ts'
import { appToJson } from '../to-json.ts'

const body = z.strictObject({
  name: text(),
  meta_app_id: text(),
  secret: text(),
  verify_token: text(),
})

/** Registers a Meta app. Its secrets go in and never come out again. */
export const createApp = route({
  method: 'POST',
  path: '/v1/apps',
  does: 'Registers a Meta app, with the secret that signs its webhooks and the token of its handshake.',
  ifUnknown: 'Send it again with a new key: a second registration of the same app does no harm.',
  status: 201,
  body,
  run: async (ctx, { body: { name, meta_app_id, secret, verify_token } }, call) =>
    appToJson(
      await ctx.peers.accounts.createApp(
        { name, metaAppId: meta_app_id, secret, verifyToken: verify_token },
        call,
      ),
    ),
})
