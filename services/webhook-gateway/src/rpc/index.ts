import { adoptParts } from './adopt-parts.ts'
import { countParts } from './count-parts.ts'
import { getUnhandledReplies } from './get-unhandled-replies.ts'
import { listParts } from './list-parts.ts'
import { replayWebhooks } from './replay-webhooks.ts'

export const methods = { adoptParts, countParts, getUnhandledReplies, listParts, replayWebhooks }

export const callers = {
  adoptParts: ['operator'],
  countParts: ['operator'],
  getUnhandledReplies: ['campaigns'],
  listParts: ['operator'],
  replayWebhooks: ['operator'],
} as const

/** Operators see the parts of all accounts. */
export const acrossAccounts = ['countParts', 'listParts', 'replayWebhooks'] as const
