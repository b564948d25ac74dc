import { claimParts } from './claim-parts.ts'
import { countParts } from './count-parts.ts'
import { getHearing } from './get-hearing.ts'
import { listParts } from './list-parts.ts'
import { replayWebhooks } from './replay-webhooks.ts'

export const methods = { claimParts, countParts, getHearing, listParts, replayWebhooks }

/** Webhook parts have no tenant yet; whoever claims them, or wants to send, is one. */
export const operatorMethods = ['countParts', 'listParts', 'replayWebhooks'] as const
