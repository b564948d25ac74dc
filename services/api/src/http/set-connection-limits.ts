import { z } from 'zod'
import { whole } from '../input.ts'
import { route } from '../route.ts'
import { connectionToJson } from '../to-json.ts'

/** More than Meta allows any number; what it allows this one is checked by `accounts`. */
const body = z.strictObject({ per_minute: whole(1, 1_000_000), per_second: whole(1, 100_000) })

/** Sets how fast a number sends. */
export const setConnectionLimits = route({
  method: 'PUT',
  path: '/v1/connections/:id/limits',
  does: 'Sets how many messages a number sends per minute and per second, within what Meta allows it.',
  ifUnknown: 'Look at GET /v1/connections; setting the same limits again does no harm.',
  body,
  run: async (ctx, { id, body: { per_minute, per_second } }, call) =>
    connectionToJson(
      await ctx.peers.accounts.setConnectionLimits(
        { id, perMinute: per_minute, perSecond: per_second },
        call,
      ),
    ),
})
