import type { Flight, Phase } from './in-flight.ts'
import type { SendRoute } from './queue.ts'

/** What holds a slice up: the phase in which its messages stand, its number's limit, the database, or nothing that anybody can change. */
export type Cause = Phase | 'limit' | 'database' | 'none'

/** How long a slice waited, by cause. */
export interface Waits {
  add(cause: Cause, ms: number): void
  /** Counts how long something takes. */
  during<T>(cause: Cause, work: Promise<T>): Promise<T>
  /** In words what it waited for at least half of the time; empty when it went on. */
  words(route: SendRoute, flight: Flight): string
}

/** A question to another service, an answer of Meta's, or a transaction that takes longer is worth a word, ms. */
const slowMs = 500

export function countWaits(scale: number): Waits {
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
    words(route, flight) {
      const [cause, ms] = [...waited].sort(([, a], [, b]) => b - a)[0] ?? ['none', 0]
      if (ms < (performance.now() - startedAt) / 2) return ''
      const isSlow = {
        checking: flight.lastMs.checking > slowMs * scale,
        posting: flight.lastMs.posting > slowMs * scale,
        database: (longest.get('database') ?? 0) > slowMs, // whose time no test multiplies
      }
      return cause in isSlow && !isSlow[cause as keyof typeof isSlow] ? '' : wordsOf(cause, route)
    },
  }
}

function wordsOf(cause: Cause, { perMinute, perSecond }: SendRoute): string {
  switch (cause) {
    case 'checking':
      return 'Waits for contacts, which answers slowly whether people may be written to'
    case 'opening':
      return "Waits for WhatsApp, which can't be reached"
    case 'posting':
      return 'Waits for WhatsApp, which answers slowly'
    case 'booking':
    case 'waiting':
    case 'limit':
      return `Waits for the number's limit: ${perSecond} messages a second, ${perMinute} a minute, a fifth of them kept for replies`
    case 'database':
      return 'Waits for the database, which answers slowly'
    case 'none':
      return ''
  }
}
