import type { Bench } from './bench.ts'

interface Row {
  about: string
  load(): Promise<Bench>
}

/** Every bench by name; a new one is a file and a row. */
export const benches: Record<string, Row> = {
  locks: {
    about: 'acquire and release, against two bare Redis round trips, redlock and redis-semaphore',
    load: async () => (await import('./locks.ts')).run,
  },
  limiter: {
    about: 'grants of 4 processes, against a bare EVALSHA; never over the limit',
    load: async () => (await import('./limiter.ts')).run,
  },
  wide: {
    about:
      'from ring to handler with 10,000 keys, of which 500 and 5,000 are active; what a key leaves behind',
    load: async () => (await import('./wide.ts')).run,
  },
  intake: {
    about:
      'signed webhooks answered 200 and durable, against the same HTTP server and HMAC with nothing stored',
    load: async () => (await import('./intake.ts')).run,
  },
  pipeline: {
    about:
      'webhooks from POST to committed effect over 1, 50 and 1,000 numbers, against the same rows by the best SQL in groups of 500',
    load: async () => (await import('./pipeline.ts')).run,
  },
  send: {
    about:
      'messages of a campaign from claim to committed outcome, against a bare loop of the same POSTs',
    load: async () => (await import('./send.ts')).run,
  },
  million: {
    about: 'a message of a campaign to a million people beside one of a campaign to 5,000',
    load: async () => (await import('./million.ts')).run,
  },
  pressure: {
    about: 'webhooks and campaign messages while others want the CPU, against the same alone',
    load: async () => (await import('./pressure.ts')).run,
  },
  streams: {
    about:
      'events to 2,000 open streams, against a bare HTTP server; what a stream holds in memory',
    load: async () => (await import('./streams.ts')).run,
  },
  growth: {
    about:
      'every list, sweep and hot query at 5 million messages, 2 million contacts and a million recipients; none over 50 ms',
    load: async () => (await import('./growth.ts')).run,
  },
}

/** The benches by these names, all of them for none; throws with the list when one is unknown. */
export function pick(names: readonly string[]): [string, Row][] {
  const wanted = names.length > 0 ? names : Object.keys(benches)
  return wanted.map((name) => {
    const row = benches[name]
    if (!row)
      throw new Error(`There is no bench "${name}". There are: ${Object.keys(benches).join(', ')}.`)
    return [name, row]
  })
}
