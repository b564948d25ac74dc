import type { Check } from './check.ts'
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
