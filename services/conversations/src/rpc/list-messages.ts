import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ListMessagesRequest, ListMessagesResponse } from '@lockstep/rpc/gen/conversations'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findConversation } from '../db/conversations.ts'
import { listMessages as list } from '../db/message-list.ts'
import { pageSize, requireSerial } from '../inbox/page.ts'
import { messageToProto } from '../inbox/to-proto.ts'

/** The messages of a conversation, newest first. */
export const listMessages: Method<Context, ListMessagesRequest, ListMessagesResponse> = async (
  ctx,
  request,
  call,
) => {
  const id = requireId(request.conversationId, 'conversation')
  const page = {
    after: request.after && requireSerial(request.after, 'message'),
    limit: pageSize(request.limit),
  }
  return ctx.db.transaction(call.accountId, async (tx) => {
    const found = await findConversation(tx, id)
    if (!found) throw new AppError('not_found', `There is no conversation ${id}`)
    const { rows, isLast } = await list(tx, found, page)
    return { messages: rows.map(messageToProto), nextAfter: isLast ? '' : rows.at(-1)!.id }
  })
}
