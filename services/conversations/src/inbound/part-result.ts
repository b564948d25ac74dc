import type { PartOutcome } from '@lockstep/contracts'
import type { ElementCounts, InboundPart } from './read-part.ts'

/** Words for elements without effect; each follows a number. */
const descriptions: Record<keyof ElementCounts, string> = {
  no_sender: 'without a sender that can be read',
  unreadable: 'without an id or in another shape',
  unknown: 'that nobody acts on: unknown statuses or preferences, names that the phone app gave up',
  no_match: 'about messages that were not sent from here',
}

/**
 * In how many ms a part is looked at again, because its message may not be committed yet; null when
 * it is not. Each wait is as long as the part has waited.
 */
export function recheckAfterMs(
  { statuses, asOfMs }: InboundPart,
  matchedWamids: ReadonlySet<string>,
  nowMs: number,
  { statusMatchMs, statusRecheckMs }: { statusMatchMs: number; statusRecheckMs: number },
): number | null {
  const ageMs = nowMs - asOfMs
  const leftMs = statusMatchMs - ageMs
  if (leftMs <= 0 || statuses.every(({ wamid }) => matchedWamids.has(wamid))) return null
  return Math.min(leftMs, Math.max(statusRecheckMs, ageMs))
}

/** What became of a part whose number was connected. */
export function outcomeOf(
  part: InboundPart,
  matchedWamids: ReadonlySet<string>,
): Extract<PartOutcome, 'done' | 'no_match' | 'no_action'> {
  if (part.messages.length + part.updates.length > 0) return 'done'
  if (part.statuses.some(({ wamid }) => matchedWamids.has(wamid))) return 'done'
  return part.statuses.length + part.withoutEffect.no_sender > 0 ? 'no_match' : 'no_action'
}

/** The elements of a part that had no effect. */
export function withoutEffect(
  { withoutEffect, statuses }: InboundPart,
  matchedWamids: ReadonlySet<string>,
): ElementCounts {
  const no_match = statuses.filter(({ wamid }) => !matchedWamids.has(wamid)).length
  return { ...withoutEffect, no_match }
}

/** The same in words, for the part's reason; undefined when every element had its effect. */
export function noteOf(counts: ElementCounts): string | undefined {
  const notes = Object.entries(counts).flatMap(([reason, count]) =>
    count > 0 ? `${count} ${descriptions[reason as keyof ElementCounts]}` : [],
  )
  return notes.length > 0 ? `Elements without effect: ${notes.join('; ')}` : undefined
}
