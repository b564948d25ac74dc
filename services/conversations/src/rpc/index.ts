import { countInbound } from './count-inbound.ts'
import { listConversations } from './list-conversations.ts'
import { listMessages } from './list-messages.ts'

export const methods = { listConversations, listMessages, countInbound }

export const callers = {
  countInbound: ['api'],
  listConversations: ['api'],
  listMessages: ['api'],
} as const
