import { claimParts } from './claim-parts.ts'
import { countParts } from './count-parts.ts'
import { getHearing } from './get-hearing.ts'
import { listParts } from './list-parts.ts'
import { replayWebhooks } from './replay-webhooks.ts'

export const methods = { claimParts, countParts, getHearing, listParts, replayWebhooks }

export const callers = {
  claimParts: ['operator'],
  countParts: ['operator'],
  getHearing: ['campaigns'],
  listParts: ['operator'],
  replayWebhooks: ['operator'],
} as const

/** Operators see the parts of all accounts. */
export const acrossAccounts = ['countParts', 'listParts', 'replayWebhooks'] as const
