const minute = 60_000
const hour = 60 * minute

/** Waits after a first failed attempt, a second, and so on (Standard Webhooks); ms. */
const waits = [
  ...[5_000, 5 * minute, 30 * minute, 2 * hour, 5 * hour],
  ...[10 * hour, 14 * hour, 20 * hour, 24 * hour],
]

/** About how long to wait after so many attempts have failed; null when that was the last. */
export function retryAfterMs(attempts: number, random: number): number | null {
  const wait = waits[attempts - 1]
  return wait === undefined ? null : wait * (0.9 + 0.2 * random)
}
