import { countParts } from './count-parts.ts'
import { listParts } from './list-parts.ts'

export const methods = { countParts, listParts }

/** Webhook parts have no tenant yet. */
export const operatorMethods = ['countParts', 'listParts'] as const
