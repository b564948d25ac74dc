import { countInbound } from './count-inbound.ts'
import { listConversations } from './list-conversations.ts'
import { listMessages } from './list-messages.ts'

export const methods = { listConversations, listMessages, countInbound }
