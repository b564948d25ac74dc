import { ConversationsDefinition } from '@lockstep/rpc/gen/conversations'
import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { peers } from './context.ts'
import { migrations } from './db/migrations.ts'
import { forgetMessages } from './jobs/forget-messages.ts'
import { forgetContacts } from './lanes/forget-contacts.ts'
import { webhookMessage } from './lanes/webhook-message.ts'
import { callers, methods } from './rpc/index.ts'
import { times } from './times.ts'

export const conversationsService = defineService({
  name: 'conversations',
  config,
  migrations,
  peers,
  times,
  rpc: { definition: ConversationsDefinition, methods, callers },
  lanes: { 'webhooks.message': webhookMessage, 'conversations.forget': forgetContacts },
  retention: { 'forget-messages': forgetMessages },
})
