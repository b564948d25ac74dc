/** Payloads of feed entries that carry their content themselves, by lane and kind. JSON in `feed_open.body`. */

/** `contacts.learn`: what a send answer or a status taught about a person. */
export interface Learned {
  contactId: string
  /** The number that was dialled, digits only. */
  input?: string
  waId?: string
  userId?: string
  /** Set when Meta said that the person stopped marketing (error 131050): the time of the status, in ms. */
  stoppedAtMs?: number
}
