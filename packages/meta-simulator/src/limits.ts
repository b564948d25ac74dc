import type { GraphFault } from './graph-errors.ts'
import type { Settings } from './settings.ts'

/** Times of the newest accepted messages of a number, oldest first from `from` on. */
interface Window {
  times: number[]
  from: number
}

interface Pair {
  burstSinceMs: number
  inBurst: number
  /** Until then earlier messages have used up the pair's rate. */
  paidUntilMs: number
}

/** The platform's own rate limits, off unless set. */
export interface Limits {
  /** The refusal of a message that comes now, or undefined after counting it. */
  take(
    settings: Settings['limits'],
    phoneNumberId: string,
    recipient: string,
    nowMs: number,
  ): GraphFault | undefined
  clear(): void
}

const BURST_MS = 6_000
const PAIRS_KEPT = 50_000

/** Starts with nothing counted. */
export function createLimits(): Limits {
  const windows = new Map<string, Window>()
  const pairs = new Map<string, Pair>()

  return {
    take(limits, phoneNumberId, recipient, nowMs) {
      if (limits.perSecond === null && limits.perMinute === null && limits.pair === null)
        return undefined
      const window = windows.get(phoneNumberId) ?? { times: [], from: 0 }
      windows.set(phoneNumberId, window)
      forget(window, nowMs - 60_000)
      if (limits.perSecond !== null && countSince(window, nowMs - 1_000) >= limits.perSecond)
        return { code: 130429 }
      if (limits.perMinute !== null && window.times.length - window.from >= limits.perMinute) {
        return {
          code: 130429,
          details: `This number may send ${limits.perMinute} messages a minute (limit of the simulator).`,
        }
      }
      if (limits.pair && !takePair(pairs, limits.pair, `${phoneNumberId}|${recipient}`, nowMs))
        return { code: 131056 }
      window.times.push(nowMs)
      return undefined
    },
    clear() {
      windows.clear()
      pairs.clear()
    },
  }
}

function forget(window: Window, beforeMs: number): void {
  while (window.from < window.times.length && window.times[window.from]! <= beforeMs) window.from++
  if (window.from > 1_000) {
    window.times.splice(0, window.from)
    window.from = 0
  }
}

function countSince(window: Window, sinceMs: number): number {
  let at = window.times.length
  while (at > window.from && window.times[at - 1]! > sinceMs) at--
  return window.times.length - at
}

/**
 * One message per `everyMs` for a pair; a burst within 6 s may borrow from the future and is paid back by waiting
 * (meta-cloud-api.md §4 "Pair limit": 6 s, burst 45, two minutes after a burst of 20).
 */
function takePair(
  pairs: Map<string, Pair>,
  limit: { everyMs: number; burst: number },
  key: string,
  nowMs: number,
): boolean {
  if (pairs.size > PAIRS_KEPT)
    for (const [each, pair] of pairs) if (pair.paidUntilMs <= nowMs) pairs.delete(each)
  let pair = pairs.get(key)
  if (!pair || pair.paidUntilMs <= nowMs) {
    pair = { burstSinceMs: nowMs, inBurst: 0, paidUntilMs: nowMs }
    pairs.set(key, pair)
  } else if (nowMs - pair.burstSinceMs >= BURST_MS || pair.inBurst >= limit.burst) {
    return false
  }
  pair.inBurst++
  pair.paidUntilMs += limit.everyMs
  return true
}
