import type { SendWait } from '@lockstep/contracts'
import type { Flight, Phase } from './in-flight.ts'
import type { SendRoute } from './queue.ts'

/**
 * What holds a slice up: the phase of its messages, a limit, the database, or nothing that anybody
 * can change.
 */
export type Cause = Phase | 'limit' | 'database' | 'none'

/** What an owner waits for, and why, as people read it. */
export interface Wait<For = SendWait> {
  for: For
  reason: string
}

/** How long a slice waited, by cause. */
export interface Waits {
  add(cause: Cause, ms: number): void
  /** Counts how long something takes. */
  during<T>(cause: Cause, work: Promise<T>): Promise<T>
  /** What it waited for at least half of the time; null when it went on. */
  most(route: SendRoute, flight: Flight): Wait | null
}

/** A call, an answer of Meta's or a transaction that takes longer is told to people. */
const slowMs = 500

export function countWaits(): Waits {
  const waited = new Map<Cause, number>()
  const longest = new Map<Cause, number>()
  const startedAt = performance.now()

  function add(cause: Cause, ms: number): void {
    waited.set(cause, (waited.get(cause) ?? 0) + ms)
    longest.set(cause, Math.max(longest.get(cause) ?? 0, ms))
  }

  return {
    add,
    async during(cause, work) {
      const from = performance.now()
      try {
        return await work
      } finally {
        add(cause, performance.now() - from)
      }
    },
    most(route, flight) {
      const [cause, ms] = [...waited].sort(([, a], [, b]) => b - a)[0] ?? ['none', 0]
      if (ms < (performance.now() - startedAt) / 2) return null
      const isSlow = {
        checking: flight.lastMs.checking > slowMs,
        posting: flight.lastMs.posting > slowMs,
        database: (longest.get('database') ?? 0) > slowMs,
      }
      return cause in isSlow && !isSlow[cause as keyof typeof isSlow] ? null : waitOf(cause, route)
    },
  }
}

function waitOf(cause: Cause, { perMinute, perSecond }: SendRoute): Wait | null {
  switch (cause) {
    case 'checking':
      return {
        for: 'contacts',
        reason: 'Waits for contacts, which answers slowly whether people may be written to',
      }
    case 'opening':
      return { for: 'meta', reason: "Waits for WhatsApp, which can't be reached" }
    case 'posting':
      return { for: 'meta', reason: 'Waits for WhatsApp, which answers slowly' }
    case 'booking':
    case 'waiting':
    case 'limit': {
      const reason = `Waits for the number's limit: ${perSecond} messages a second, ${perMinute} a minute, a fifth of them kept for replies`
      return { for: 'limit', reason }
    }
    case 'database':
      return { for: 'database', reason: 'Waits for the database, which answers slowly' }
    case 'none':
      return null
  }
}
