import type { IdentityUpdate } from '@lockstep/contracts'
import type { SendClass } from '@lockstep/locks'
import type { Addressee, TokenKind } from '@lockstep/whatsapp'
import type { OutcomeChange } from './attempt.ts'

/** A message that is claimed: its attempt is committed, and nothing has been sent yet. */
export interface ClaimedMessage {
  attemptId: string
  contactId: string
  /** Its address when it was written down; it goes to the one that the check answers. */
  phone: string
  userId: string
  /** How many attempts there have been, this one among them. */
  number: number
}

/** The ids that Meta's answer names for a recipient: the number that was dialled (digits), and whom it reached. */
export type AddressUpdate = Omit<IdentityUpdate, 'contactId'>

/** What became of one attempt. */
export interface MessageOutcome {
  attemptId: string
  change: OutcomeChange
  identityUpdate?: AddressUpdate
}

/** Another message of the same owner to a contact. */
export interface OtherMessage {
  contactId: string
  /** It arrived, may have arrived or may yet arrive. */
  written: boolean
  /** Its attempt that is under way. */
  sendingId: string | null
}

export type QueueState =
  /** Nothing may be claimed: a person or Meta has stopped the owner. */
  | { kind: 'stopped' }
  /** `ready` can be claimed now; the next of the others in `nextMs` (null: none); `underWay`: somebody's attempt has no outcome yet. */
  | { kind: 'open'; ready: number; nextMs: number | null; underWay: boolean }

/** Messages of one owner (a campaign, a conversation, a bot) that wait to be sent, as rows of its service. */
export interface SendQueue<Message extends ClaimedMessage = ClaimedMessage> {
  accountId: string
  /** Stands in each message's token, by which its statuses find it. */
  owner: { kind: TokenKind; id: string }
  look(): Promise<QueueState>
  /** Claims up to `limit` messages, each with a new attempt, and commits that. Fewer: the others are gone, or the owner is stopped. */
  claim(limit: number): Promise<Message[]>
  /** What the owner has for these contacts besides the claimed messages: they turned out to be the same persons. */
  others(contactIds: string[]): Promise<OtherMessage[]>
  /** The body of the POST. Throws AppError where it can't be sent: the message is rejected with these words. */
  compose(message: Message, to: Addressee, token: string): object
  /** Commits outcomes with all that follows from them, and answers whether they have stopped the owner. Repeating it gives the same rows. */
  write(outcomes: MessageOutcome[]): Promise<QueueState['kind']>
}

/** By which number, and as what, an owner sends. */
export interface SendRoute {
  connectionId: string
  phoneNumberId: string
  accessToken: string
  perMinute: number
  perSecond: number
  class: SendClass
  /** The template's category as Meta has it; a message without template is 'SERVICE'. */
  category: string
}
