/** Payloads of feed entries that carry their content themselves, by lane and kind. JSON in `feed_open.body`. */

/** What a send answer taught about a person; `contacts.learn` holds a list of them, of one account. */
export interface Learned {
  contactId: string
  /** The number that was dialled, digits only. */
  input?: string
  waId?: string
  userId?: string
}
