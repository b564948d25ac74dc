import type { ConsentKind, ConsentVia, ContactRefusal } from '@lockstep/contracts'

/** One consent before it is keyed to its contact's identities. */
export interface Consent {
  contactId: string
  kind: ConsentKind
  via: ConsentVia
  /** What proves it: the message's wamid, an import's id, a caller's text. */
  evidence: string
  saidAt: Date
}

/** What Meta's user_preferences say, and a sign-up (meta-cloud-api.md §6). */
export function readPreference(value: string): 'opt_out' | 'opt_in' | undefined {
  if (value === 'stop') return 'opt_out'
  return value === 'resume' || value === 'signup' ? 'opt_in' : undefined
}

/** What Meta's errors of a message say of its recipient (meta-cloud-api.md §4). */
export const refusalErrors: Readonly<Record<number, Pick<Consent, 'kind' | 'via'>>> = {
  131050: { kind: 'opt_out', via: 'error_131050' },
  130403: { kind: 'block', via: 'error_130403' },
}

export interface ContactFlags {
  optedOut: boolean
  blocked: boolean
  reachable: boolean
  archived: boolean
}

/** What an account chose for people who said stop. */
export interface ConsentRules {
  utilityAfterStop: boolean
}

/** Whether people who said stop get a category's templates, an unknown one being marketing. */
export function isSentDespiteOptOut(category: string, { utilityAfterStop }: ConsentRules): boolean {
  return (
    category === 'AUTHENTICATION' ||
    category === 'SERVICE' ||
    (category === 'UTILITY' && utilityAfterStop)
  )
}

/** Why a contact may not be written to, if so. */
export function refusalOf(
  contact: ContactFlags | undefined,
  despiteOptOut: boolean,
): ContactRefusal | '' {
  if (!contact || contact.archived) return 'deleted'
  if (contact.blocked) return 'blocked'
  if (contact.optedOut && !despiteOptOut) return 'opted_out'
  return contact.reachable ? '' : 'unreachable'
}
