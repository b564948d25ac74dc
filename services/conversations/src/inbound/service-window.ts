import { isLive, type MessageKind } from './message-types.ts'

/** Meta's customer-service window: for so long the business may write free text. */
const serviceWindowMs = 24 * 3_600_000

/**
 * Types that open the window (meta-cloud-api.md §7). An unknown type does not: Meta would refuse
 * the reply.
 */
const openingTypes: ReadonlySet<string> = new Set([
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

/** Whether a message of a person opens the window. */
export const opensServiceWindow = (message: MessageKind): boolean =>
  isLive(message) && openingTypes.has(message.type)

/** A message with the times that a window may start at. */
export interface WindowOpener extends MessageKind {
  at: Date
  /** When a call opened the window. */
  callOpenedAt: Date | null
}

/**
 * When the window that a message opens ends, counted from its own time; null when it opens none.
 */
export function windowUntil({ callOpenedAt, ...message }: WindowOpener): Date | null {
  const from = callOpenedAt ?? (opensServiceWindow(message) ? message.at : null)
  return from && new Date(from.getTime() + serviceWindowMs)
}
