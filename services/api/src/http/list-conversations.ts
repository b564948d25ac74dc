import { z } from 'zod'
import { id, page } from '../input.ts'
import { route } from '../route.ts'
import { conversationToJson, nextAfter } from '../to-json.ts'

/** The shared inbox, page by page. */
export const listConversations = route({
  method: 'GET',
  path: '/v1/conversations',
  does: 'Lists the conversations, the one with the newest message first; ?after= is the last id of the page before.',
  query: z.strictObject(page(id, 200)),
  run: async (ctx, { query: { after = '', limit } }, call) => {
    const { conversations } = await ctx.peers.conversations.listConversations(
      { after, limit },
      call,
    )
    return {
      conversations: conversations.map(conversationToJson),
      next_after: nextAfter(conversations, limit, (row) => row.id),
    }
  },
})
