import type { ConsentKind, ConsentVia } from '@lockstep/contracts'

export { readWord } from './consent-words.ts'

/** One entry of the ledger before it is keyed to the contact's identities. */
export interface Statement {
  contactId: string
  kind: ConsentKind
  via: ConsentVia
  /** What proves it: the message's wamid, an import's id, a caller's words. */
  evidence: string
  saidAt: Date
}

/** What Meta's user_preferences field says (meta-cloud-api.md §6), a sign-up by a link too; undefined for values that are no consent. */
export function readPreference(value: string): 'opt_out' | 'opt_in' | undefined {
  if (value === 'stop') return 'opt_out'
  return value === 'resume' || value === 'signup' ? 'opt_in' : undefined
}

/** What Meta's errors of a message say of its recipient (meta-cloud-api.md §4). */
export const refusalErrors: Readonly<Record<number, { kind: ConsentKind; via: ConsentVia }>> = {
  131050: { kind: 'opt_out', via: 'error_131050' },
  130403: { kind: 'block', via: 'error_130403' },
}

export type Refusal = '' | 'deleted' | 'blocked' | 'opted_out' | 'unreachable'

export interface Reach {
  optedOut: boolean
  blocked: boolean
  reachable: boolean
}

/** What an account chose for people who said stop. */
export interface ConsentRules {
  utilityAfterStop: boolean
}

/**
 * Whether a template of a category, as Meta has it, is sent to people who said stop. A code that a person has just asked for
 * (AUTHENTICATION) and an answer without template (SERVICE) are; what Meta calls by a name that is not known here counts as marketing.
 */
export function goesDespiteStop(category: string, { utilityAfterStop }: ConsentRules): boolean {
  return (
    category === 'AUTHENTICATION' ||
    category === 'SERVICE' ||
    (category === 'UTILITY' && utilityAfterStop)
  )
}

/** Why a contact may not be written to; empty when it may. */
export function refusalOf(contact: Reach | undefined, despiteStop: boolean): Refusal {
  if (!contact) return 'deleted'
  if (contact.blocked) return 'blocked'
  if (contact.optedOut && !despiteStop) return 'opted_out'
  return contact.reachable ? '' : 'unreachable'
}
