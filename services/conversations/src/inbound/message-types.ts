import type { MessageDirection, MessageSource } from '@lockstep/contracts'

/**
 * Types that only WhatsApp itself sends: a notice, and a chat that was opened without a message.
 */
export const systemTypes: ReadonlySet<string> = new Set(['system', 'request_welcome'])

/** Types that are about another message. */
export const targetingTypes: ReadonlySet<string> = new Set(['reaction', 'edit', 'revoke'])

/** What decides how a message counts in its conversation. */
export interface MessageKind {
  type: string
  direction: MessageDirection
  source: MessageSource
}

/** Whether a person wrote it to the number while that was connected. */
export const isLive = ({ direction, source }: MessageKind): boolean =>
  direction === 'in' && source !== 'history'

const isWriting = (message: MessageKind): boolean =>
  isLive(message) && !systemTypes.has(message.type) && !targetingTypes.has(message.type)

/**
 * Whether a message waits to be read: also one of an unknown type, but not what another sender
 * answers.
 */
export const isUnread = (message: MessageKind): boolean =>
  isWriting(message) && message.source !== 'standby'

/**
 * Whether a message shows that the person is writing to the business: all that is unread, and a
 * reaction.
 */
export const isInbound = (message: MessageKind): boolean =>
  isWriting(message) || (isLive(message) && message.type === 'reaction')
