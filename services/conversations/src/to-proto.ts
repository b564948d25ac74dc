import type * as proto from '@lockstep/rpc/gen/conversations'
import type { ConversationRow, MessageRow } from './db/queries.ts'

export function conversationToProto({ lastMessageAt, windowUntil, ...same }: ConversationRow): proto.Conversation {
  return { ...same, lastMessageAtMs: lastMessageAt.getTime(), windowUntilMs: windowUntil?.getTime() }
}

export function messageToProto({ at, contextWamid, ...same }: MessageRow): proto.Message {
  return { ...same, atMs: at.getTime(), contextWamid: contextWamid ?? '' }
}
