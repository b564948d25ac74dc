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

/** Until when an inbound message lets us write freely, counted from its own time, however late it arrives; null when it doesn't. */
export function windowUntil(message: { type: string; at: Date }): Date | null {
  return opening.has(message.type) ? new Date(message.at.getTime() + windowMs) : null
}

/** Whether a message waits to be read; a type that is not known yet does. */
export const isUnread = (type: string): boolean => !news.has(type) && !deeds.has(type)

/** Whether a message shows that the person is writing to us: by all that waits to be read, and by a reaction. */
export const isInbound = (type: string): boolean => isUnread(type) || type === 'reaction'
