import { laneSettings } from '@lockstep/contracts'

/** After a set of many accounts was postponed, each has a set of its own for so long. */
const isolationMs = 10_000

/** When a lane may take next, and how large its sets are. */
export class Pacing {
  readonly #scale: number
  #lastTakeAt = Number.NEGATIVE_INFINITY
  #pausedUntil = Number.NEGATIVE_INFINITY
  #isolatedUntil = Number.NEGATIVE_INFINITY
  /** The most entries of a set. */
  setEntries: number = laneSettings.takeEntries

  constructor(scale: number) {
    this.#scale = scale
  }

  /** How long no take may begin, ms; `sets` are those that are being handled. */
  waitMs(sets: Iterable<{ startedAt: number }>): number {
    const now = performance.now()
    const earliest = [...sets].map(({ startedAt }) => startedAt + laneSettings.parallelAfterMs)
    const at = Math.max(this.#lastTakeAt + laneSettings.takeEveryMs, this.#pausedUntil, ...earliest)
    return Math.max(0, at - now)
  }

  noteTake(): void {
    this.#lastTakeAt = performance.now()
  }

  pause(ms: number): void {
    this.#pausedUntil = performance.now() + ms
  }

  isolate(): void {
    this.#isolatedUntil = performance.now() + isolationMs * this.#scale
  }

  isIsolating(): boolean {
    return performance.now() < this.#isolatedUntil
  }

  /** Makes the next sets as large as `targetSetMs` allows; a small set says little. */
  adjust(entries: number, ms: number): void {
    const { targetSetMs, takeEntries, minSetEntries } = laneSettings
    if (entries < minSetEntries) return
    const fitting = Math.min(takeEntries, (entries * targetSetMs) / ms)
    this.setEntries = Math.round(Math.max(minSetEntries, fitting))
  }
}
