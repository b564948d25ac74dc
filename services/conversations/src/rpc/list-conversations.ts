import type { Method } from '@lockstep/rpc'
import type {
  ListConversationsRequest,
  ListConversationsResponse,
} from '@lockstep/rpc/gen/conversations'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { listConversations as list } from '../db/conversations.ts'
import { pageSize } from '../inbox/page.ts'
import { conversationToProto } from '../inbox/to-proto.ts'

/** The account's conversations, the one with the newest message first. */
export const listConversations: Method<
  Context,
  ListConversationsRequest,
  ListConversationsResponse
> = async (ctx, request, call) => {
  const page = {
    after: request.after && requireId(request.after, 'conversation'),
    limit: pageSize(request.limit),
  }
  const rows = await ctx.db.transaction(call.accountId, (tx) => list(tx, page))
  return { conversations: rows.map(conversationToProto) }
}
