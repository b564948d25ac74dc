/** JSON in `feed_open.body`, by lane and kind. */

/** What an answer to a send says of its recipient; an entry is a list of them, of one account. */
export interface IdentityUpdate {
  contactId: string
  /** The number that was dialled, digits only. */
  input?: string
  waId?: string
  userId?: string
}
