/**
 * Types of message that let us write freely for 24 hours (meta-cloud-api.md §7). What else arrives (system news, edits,
 * deletions, kinds that Meta does not hand on) doesn't count: a refused reply is clear, one that Meta refuses later is not.
 */
const opening = new Set([
  'text',
  'image',
  'video',
  'audio',
  'voice',
  'document',
  'sticker',
  'location',
  'contacts',
  'interactive',
  'button',
  'order',
  'reaction',
])

/** What nobody wrote: news of the system, and a chat that was opened without a word. */
const news = new Set(['system', 'request_welcome'])
/** What a person does to another message. */
const deeds = new Set(['reaction', 'edit', 'revoke'])

/** Meta's customer-service window. */
const windowMs = 24 * 3_600_000

/** What a message is, as far as it decides what it adds to its conversation. */
export interface Kind {
  type: string
  direction: string
  source: string
}

/** Whether a person wrote it to the number now, and not before it was connected. */
const isLive = ({ direction, source }: Kind): boolean => direction === 'in' && source !== 'history'

/** Until when a message lets us write freely, counted from its own time, however late it arrives; null when it doesn't. */
export function windowUntil({
  opensAt,
  ...message
}: Kind & { at: Date; opensAt: Date | null }): Date | null {
  const from = opensAt ?? (isLive(message) && opening.has(message.type) ? message.at : null)
  return from && new Date(from.getTime() + windowMs)
}

const isWriting = (message: Kind): boolean =>
  isLive(message) && !news.has(message.type) && !deeds.has(message.type)

/** Whether a message waits to be read; a type that is not known yet does, and what another sender answers does not. */
export const isUnread = (message: Kind): boolean =>
  isWriting(message) && message.source !== 'standby'

/** Whether a message shows that the person is writing to us: by all that waits to be read, and by a reaction. */
export const isInbound = (message: Kind): boolean =>
  isWriting(message) || (isLive(message) && message.type === 'reaction')
