/**
 * Our clock and Meta's may differ, and Meta dates in whole seconds: what it dates this much before
 * a moment may have come after it.
 */
export const metaClockMarginMs = 60_000

/**
 * No time of Meta's counts as later than the receipt, to the second; without one it is the
 * receipt's.
 */
export function metaTimeMs(metaMs: number | null, receivedAtMs: number): number {
  return metaMs === null ? receivedAtMs : Math.min(metaMs, Math.floor(receivedAtMs / 1_000) * 1_000)
}
