import { z } from 'zod'
import { text } from '../input.ts'
import { route } from '../route.ts'
import { connectionToJson } from '../to-json.ts'

const body = z.strictObject({ access_token: text(4_096) })

/** Longer than `accounts` waits for Meta, so that its words arrive here. */
const timeoutMs = 15_000

/** Gives a number another access token; refused with Meta's words when the token can't use it. */
export const replaceToken = route({
  method: 'PUT',
  path: '/v1/connections/:id/token',
  does: "Replaces a number's access token, once Meta lets the new one use the number. A campaign that was paused for the old one can be resumed.",
  ifUnknown: 'Setting the same token again does no harm: send the request with a new key.',
  body,
  run: async (ctx, { id, body: { access_token } }, call) =>
    connectionToJson(
      await ctx.peers.accounts.replaceToken(
        { id, accessToken: access_token },
        { ...call, timeoutMs },
      ),
    ),
})
