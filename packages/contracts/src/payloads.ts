/** Payloads of feed entries that carry their content themselves, by lane and kind. JSON in `feed_open.body`. */

/** What an answer to a send says of its recipient; an entry of `contacts.identity-updates` is a list of them, of one account. */
export interface IdentityUpdate {
  contactId: string
  /** The number that was dialled, digits only. */
  input?: string
  waId?: string
  userId?: string
}
