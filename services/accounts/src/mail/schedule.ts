const minute = 60_000
const hour = 60 * minute

/** Waits after a first failed attempt, a second, and so on; then as long as the last. */
const waits = [minute / 4, minute, 5 * minute, 15 * minute, hour, 3 * hour, 6 * hour]

/** About how long to wait after so many attempts have failed, ms. */
export const retryAfterMs = (attempts: number, random: number): number =>
  waits[Math.min(attempts, waits.length) - 1]! * (0.9 + 0.2 * random)
