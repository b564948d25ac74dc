import type * as proto from '@lockstep/rpc/gen/conversations'
import type { ConversationRow } from '../db/conversations.ts'
import { fieldsToProto } from '../db/message-fields.ts'
import type { MessageRow } from '../db/message-list.ts'

export function conversationToProto({
  lastMessageAt,
  windowUntil,
  ...same
}: ConversationRow): proto.Conversation {
  return {
    ...same,
    contactId: same.contactId ?? '',
    groupId: same.groupId ?? '',
    lastMessageAtMs: lastMessageAt.getTime(),
    windowUntilMs: windowUntil?.getTime(),
  }
}

export function messageToProto(row: MessageRow): proto.Message {
  const { id, wamid, reactions, media } = row
  return {
    ...{ id, wamid, reactions },
    ...fieldsToProto(row),
    media: media ? { ...noMedia, ...media } : undefined,
    atMs: row.at.getTime(),
    groupId: row.groupId ?? '',
    contactId: row.contactId ?? '',
    editedAtMs: row.editedAt?.getTime(),
    originalText: row.originalText ?? '',
    revokedAtMs: row.revokedAt?.getTime(),
  }
}

const noMedia: proto.Media = {
  id: '',
  mimeType: '',
  sha256: '',
  caption: '',
  filename: '',
  voice: false,
  animated: false,
}
