/**
 * When something happened, by Meta's time and its receipt in ms. No time of Meta's counts as later than its receipt, and Meta dates in
 * whole seconds: the second of the receipt is the latest. Without a time of Meta's it is the receipt.
 */
export function metaTimeMs(metaMs: number | null, receivedAtMs: number): number {
  return metaMs === null ? receivedAtMs : Math.min(metaMs, Math.floor(receivedAtMs / 1_000) * 1_000)
}
