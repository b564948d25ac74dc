import { z } from 'zod'
import { id, page } from '../input.ts'
import { route } from '../route.ts'
import { connectionToJson, nextAfter } from '../to-json.ts'

/** The account's numbers, page by page. */
export const listConnections = route({
  method: 'GET',
  path: '/v1/connections',
  does: 'Lists the connected numbers, oldest first; ?after= is the last id of the page before.',
  query: z.strictObject(page(id, 200)),
  run: async (ctx, { query: { after = '', limit } }, call) => {
    const { connections } = await ctx.peers.accounts.listConnections({ after, limit }, call)
    return {
      connections: connections.map(connectionToJson),
      next_after: nextAfter(connections, limit, (connection) => connection.id),
    }
  },
})
