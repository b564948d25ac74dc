import type { EventKind } from './event-topics.ts'

/** JSON in `feed_open.body`, by lane and kind. */

/** What an answer to a send says of its recipient; an entry is a list of them, of one account. */
export interface IdentityUpdate {
  contactId: string
  /** The number that was dialled, digits only. */
  input?: string
  waId?: string
  userId?: string
}

/** Contacts of one account of whom nothing may be kept: an entry of the lanes `*.forget`. */
export interface ForgottenContacts {
  contactIds: string[]
}

/** One event of an account; an entry of the lanes `events.*` is a list of them, in their order. */
export interface EventContent {
  kind: EventKind
  subjectId: string
  /** Ids and states, named as in the public API; a few hundred bytes. */
  body: Readonly<Record<string, unknown>>
}
