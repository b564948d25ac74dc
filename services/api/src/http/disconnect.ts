import { route } from '../route.ts'
import { connectionToJson } from '../to-json.ts'

/** Ends a connection until its number is connected again. */
export const disconnect = route({
  method: 'POST',
  path: '/v1/connections/:id/disconnect',
  does: 'Disconnects a number: it sends and hears nothing. Connected again in this account it is the same connection, with all its history.',
  ifUnknown: 'Look at GET /v1/connections before you try again with a new key.',
  run: async (ctx, { id }, call) =>
    connectionToJson(await ctx.peers.accounts.disconnect({ id }, call)),
})
