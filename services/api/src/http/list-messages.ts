import { z } from 'zod'
import { page, serial } from '../input.ts'
import { route } from '../route.ts'
import { messageToJson, nextAfter } from '../to-json.ts'

/** One conversation, page by page. */
export const listMessages = route({
  method: 'GET',
  path: '/v1/conversations/:id/messages',
  does: 'Lists the messages of a conversation, newest first; ?after= is the last id of the page before.',
  query: z.strictObject(page(serial, 200)),
  run: async (ctx, { id, query: { after = '', limit } }, call) => {
    const { messages } = await ctx.conversations.listMessages({ conversationId: id, after, limit }, call)
    return { messages: messages.map(messageToJson), next_after: nextAfter(messages, limit, (message) => message.id) }
  },
})
