/** Payloads of feed entries that carry their content themselves, by lane and kind. JSON in `feed_open.body`. */

/** `contacts.learn`: what a send answer taught about a person. */
export interface Learned {
  contactId: string
  /** The number that was dialled, digits only. */
  input?: string
  waId?: string
  userId?: string
}
