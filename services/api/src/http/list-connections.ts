import { route } from '../route.ts'
import { connectionToJson } from '../to-json.ts'

/** All numbers of the account, oldest first. */
export const listConnections = route({
  method: 'GET',
  path: '/v1/connections',
  does: 'Lists the connected numbers, oldest first.',
  run: async (ctx, _input, call) => ({ connections: (await ctx.accounts.listConnections({}, call)).connections.map(connectionToJson) }),
})
