import { z } from 'zod'
import { page, serial } from '../input.ts'
import { route } from '../route.ts'
import { messageToJson } from '../to-json.ts'

/** One conversation, page by page. */
export const listMessages = route({
  method: 'GET',
  path: '/v1/conversations/:id/messages',
  does: 'Lists the messages of a conversation, newest first, as edited; a deleted one has revoked_at. ?after= is next_after of the page before.',
  query: z.strictObject(page(serial, 200)),
  run: async (ctx, { id, query: { after = '', limit } }, call) => {
    const { messages, nextAfter } = await ctx.peers.conversations.listMessages(
      { conversationId: id, after, limit },
      call,
    )
    return { messages: messages.map(messageToJson), next_after: nextAfter || null }
  },
})
