import type { IdentityUpdate } from '@lockstep/contracts'
import type { SendClass } from '@lockstep/locks'
import type { Addressee, GraphAccess, TokenKind } from '@lockstep/whatsapp'
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

/** The ids that Meta's answer names for a recipient. */
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
  mayHaveArrived: boolean
  /** Its attempt that is under way. */
  sendingId: string | null
}

export type QueueState =
  /** Nothing may be claimed: a person or Meta has stopped the owner. */
  | { kind: 'stopped' }
  /**
   * `ready` can be claimed now, the next of the rest in `nextMs` (null: none); `underWay`: some
   * attempt has no outcome yet.
   */
  | { kind: 'open'; ready: number; nextMs: number | null; underWay: boolean }

/**
 * Messages of one owner (a campaign, a conversation, a bot) that wait to be sent, as rows of its
 * service.
 */
export interface SendQueue<Message extends ClaimedMessage = ClaimedMessage> {
  accountId: string
  /** Stands in each message's token, by which its statuses find it. */
  owner: { kind: TokenKind; id: string }
  state(): Promise<QueueState>
  /**
   * Commits up to `limit` claims, each with a new attempt; fewer when the rest is gone or the owner
   * is stopped.
   */
  claim(limit: number): Promise<Message[]>
  /**
   * The owner's messages to these contacts, who turned out to be the same persons as those of
   * claimed ones.
   */
  otherMessages(contactIds: string[]): Promise<OtherMessage[]>
  /** The body of the POST; an AppError that it throws rejects the message with its text. */
  compose(message: Message, to: Addressee, token: string): object
  /**
   * Commits outcomes with all that follows from them, and answers whether they stopped the owner;
   * repeatable.
   */
  write(outcomes: MessageOutcome[]): Promise<QueueState['kind']>
}

/** By which number, and as what, an owner sends. */
export interface SendRoute {
  connectionId: string
  phoneNumberId: string
  access: GraphAccess
  perMinute: number
  perSecond: number
  class: SendClass
  /** The template's category as Meta has it; a message without template is 'SERVICE'. */
  category: string
}
