/**
 * What an error code of Meta means for the message:
 * - `throttle`: not sent; the same message may be sent later;
 * - `stop`: not sent, and going on would hurt: the campaign pauses until a person has acted;
 * - `unknown`: it may have gone out; never sent again blindly, its status webhook tells;
 * - `rejected`: not sent; the same message will be refused again.
 */
export type GraphErrorClass = 'throttle' | 'stop' | 'unknown' | 'rejected'

/**
 * What the error is about. What is wrong with everybody's message is never `rejected`; `management`
 * is of calls that send nothing.
 */
export type GraphErrorScope = 'connection' | 'template' | 'recipient' | 'message' | 'management'

export interface GraphErrorRow {
  class: GraphErrorClass
  scope: GraphErrorScope
  /** What is wrong and what to do, for the person who reads it. */
  message: string
  /**
   * True when the recipient told WhatsApp to stop marketing: to be written to the consent ledger.
   */
  optOut?: boolean
  /**
   * True when the recipient is on the block list of the number: to be written to the consent
   * ledger.
   */
  blocked?: boolean
  /** Sending again sooner makes Meta block for longer. */
  noRetryBeforeMs?: number
  /** How long to wait when the answer names no time. */
  retryAfterMs?: number
}

type RowOptions = Pick<GraphErrorRow, 'optOut' | 'blocked' | 'noRetryBeforeMs' | 'retryAfterMs'>

export const throttle = (
  message: string,
  scope: GraphErrorScope = 'connection',
  options: RowOptions = {},
): GraphErrorRow => ({
  class: 'throttle',
  scope,
  message,
  ...options,
})
export const stop = (message: string, scope: GraphErrorScope = 'connection'): GraphErrorRow => ({
  class: 'stop',
  scope,
  message,
})
export const unknown = (message: string): GraphErrorRow => ({
  class: 'unknown',
  scope: 'message',
  message,
})
export const rejected = (
  message: string,
  scope: 'recipient' | 'message' | 'management' = 'message',
  options: RowOptions = {},
): GraphErrorRow => ({
  class: 'rejected',
  scope,
  message,
  ...options,
})

export const maybeSent =
  'The message may have gone out, so it is not sent again by itself; its status webhook will tell.'
