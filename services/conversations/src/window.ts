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

/** Meta's customer-service window. */
const windowMs = 24 * 3_600_000

/** Until when an inbound message lets us write freely, counted from its own time, however late it arrives; null when it doesn't. */
export function windowUntil(message: { type: string; at: Date }): Date | null {
  return opening.has(message.type) ? new Date(message.at.getTime() + windowMs) : null
}
