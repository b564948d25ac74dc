import { totalOf } from './cpu.ts'
import type { Comparison } from './measure.ts'

/** Sizes that the command line may set. */
export interface Sizes {
  /** Operations of one contender in one round. */
  operations?: number
  /** Numbers over which webhooks come in turn. */
  numbers?: number[]
  /** Share of the rows that `growth` seeds: 1 is all of them. */
  share?: number
}

/** What a bench may use. */
export interface BenchContext {
  /** Folder of this run, for its servers. */
  dir: string
  /** How often each contender runs, and about how long. */
  rounds: number
  roundMs: number
  /** Smaller sizes: to see whether it works, not how fast. */
  quick: boolean
  /** As given on the command line; a bench has defaults of its own. */
  sizes: Sizes
  /** Says on stderr what is being done. */
  say(what: string): void
  /** Counts the memory of a server into the result; called while it runs. */
  watch(server: string, pid: number): void
}

/** A fact that either holds or does not, whatever the machine. */
export interface Check {
  what: string
  found: string
  reach: string
  ok: boolean
}

/** The cost of one operation as something grows fourfold. */
export interface Growth {
  /** `1×`, `4×`, `16×` */
  size: string
  what: string
  /** Microseconds of one operation. */
  us: number
  ratio: number
}

export interface Measured {
  /** How much work it was, in words. */
  size: string
  comparisons: Comparison[]
  growth: Growth[]
  checks: Check[]
  /** What is shown besides. */
  tables?: { titles: string[]; rows: string[][] }[]
  /** Figures that other programs read, by name. */
  figures?: Record<string, number>
}

/** One bench: a module under `src/` exports it as `run`. */
export type Bench = (ctx: BenchContext) => Promise<Measured>

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
      'from wake-up to handler with 10,000 keys, of which 500 and 5,000 are active; what a key leaves behind',
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

/** Growth from comparisons that differ in size only. */
export function growth(comparisons: readonly Comparison[]): Growth[] {
  return comparisons.map(({ what, work, ratio }, i) => ({
    size: `${4 ** i}×`,
    what,
    us: 1e6 / work.perSecond,
    ratio,
  }))
}

/** That no peer does more a second, or does it with less CPU. */
export function besidePeers({ what, work, peers }: Comparison): Check[] {
  return peers.flatMap(({ name, ratio, cpu }) => {
    const byCpu = totalOf(cpu) / totalOf(work.cpu)
    const check = (by: string, times: number): Check => ({
      what: `${what}: beside ${name}, ${by}`,
      found: `${times.toFixed(2)}×`,
      reach: '≥ 1×',
      ok: times >= 1,
    })
    return [check('by rate', ratio), ...(Number.isFinite(byCpu) ? [check('by CPU', byCpu)] : [])]
  })
}
