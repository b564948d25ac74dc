/** JSON in `feed_open.body`, by lane and kind. */

/** What a send answer taught about a person; an entry holds a list of them, of one account. */
export interface Learned {
  contactId: string
  /** The number that was dialled, digits only. */
  input?: string
  waId?: string
  userId?: string
}
