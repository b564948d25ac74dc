import { type CpuMeter, type CpuTimes, totalOf, untilIdle, usedBetween } from './cpu.ts'

/** What one contender did in one round: how many operations, in how long, and how long each took (ms). */
export interface Round {
  operations: number
  elapsedMs: number
  latenciesMs: ArrayLike<number>
  /** Microseconds of CPU until the system was idle again, by process. */
  cpu?: CpuTimes
}

/** Something that does about `operations` operations when told to. */
export interface Contender {
  name: string
  /** Where its CPU is read when it isn't the comparison's own meter. */
  meter?: CpuMeter
  /** Makes what so many operations need; it is not measured. */
  prepare?(operations: number): Promise<void>
  run(operations: number): Promise<Round>
}

export interface Figure {
  name: string
  /** Median over the rounds. */
  perSecond: number
  /** Over the operations of all rounds. */
  p50Ms: number
  p99Ms: number
  /** Microseconds of CPU an operation by process, over the operations of all rounds; empty when it was not measured. */
  cpu: CpuTimes
}

/** The work beside its floor and its peers, all measured in the same minutes on the same servers. */
export interface Comparison {
  what: string
  rounds: number
  /** Operations of one contender in one round. */
  operations: number
  work: Figure
  floor: Figure
  /** Work by floor, the median of the rounds' ratios. */
  ratio: number
  /** The ratio to reach, where there is one. */
  reach?: number
  /** The work's CPU an operation by the floor's: above 1 the work costs more. */
  cpuRatio?: number
  /** `ratio` is the work by this peer: above 1 the work is faster. */
  peers: (Figure & { ratio: number })[]
  /** For comparison only. */
  others: (Figure & { ratio: number })[]
}

export interface CompareOptions {
  what: string
  work: Contender
  floor: Contender
  /** Other programs for the same work. */
  peers?: Contender[]
  /** What it is good to know beside. */
  others?: Contender[]
  reach?: number
  rounds: number
  /** About how long a round of the work shall last; the floor and the peers do as many operations. */
  roundMs: number
  /** Fewer operations a round than this would not show what is to be shown. */
  least?: number
  /** So many operations a round whatever they take, after one warm-up with half as many. */
  operations?: number
  /** Measures CPU by process; each round then lasts until the system is idle. */
  meter?: CpuMeter
  /** Does not wait until the system is idle: a library does nothing when it isn't called. */
  idleAtOnce?: boolean
}

/**
 * Runs work, floor and peers in turn, round after round, so that a noisy neighbour hits all of them; what a round before
 * the first one shows is used for nothing but the number of operations.
 */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const { what, work, floor, peers = [], others = [], reach, rounds } = options
  const contenders = [work, floor, ...peers, ...others]
  const operations = await warmUp(contenders, options)
  const results = new Map<Contender, Round[]>(contenders.map((contender) => [contender, []]))
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      results.get(contender)?.push(await runMetered(contender, operations, options))
    }
  }
  const of = (contender: Contender) => results.get(contender) ?? []
  const ratioTo = (other: Contender) => medianRatio(of(work), of(other))
  const beside = (other: Contender) => ({ ...figure(other.name, of(other)), ratio: ratioTo(other) })
  const figures = { work: figure(work.name, of(work)), floor: figure(floor.name, of(floor)) }
  const cpuRatio = totalOf(figures.work.cpu) / totalOf(figures.floor.cpu)
  return {
    what,
    rounds,
    operations,
    ...figures,
    ...(Number.isFinite(cpuRatio) && { cpuRatio }),
    ratio: ratioTo(floor),
    ...(reach !== undefined && { reach }),
    peers: peers.map(beside),
    others: others.map(beside),
  }
}

/** Prepares and runs a round; its CPU counts until the system is idle. */
export async function runMetered(
  contender: Contender,
  operations: number,
  { meter: common, idleAtOnce }: Pick<CompareOptions, 'meter' | 'idleAtOnce'>,
): Promise<Round> {
  const meter = contender.meter ?? common
  await contender.prepare?.(operations)
  if (!meter) return contender.run(operations)
  const before = meter.read()
  const round = await contender.run(operations)
  if (!idleAtOnce) await untilIdle(meter)
  return { ...round, cpu: usedBetween(before, meter.read()) }
}

/** Lets everyone get warm; returns how many operations a round has: those that are given, or as many as the work does in `roundMs`. */
async function warmUp(
  contenders: Contender[],
  { operations: given, roundMs, least = 100 }: CompareOptions,
): Promise<number> {
  if (given) {
    for (const contender of contenders) await runMetered(contender, Math.ceil(given / 2), {})
    return given
  }
  let operations = least
  for (let pass = 0; pass < 2; pass++) {
    const rounds = []
    for (const contender of contenders) rounds.push(await runMetered(contender, operations, {}))
    operations = Math.max(least, Math.round(perSecond(rounds[0] as Round) * (roundMs / 1000)))
  }
  return operations
}

/** Does an operation `operations` times, `atOnce` at a time. */
export async function repeat(
  operations: number,
  atOnce: number,
  operation: (i: number) => Promise<unknown>,
): Promise<Round> {
  const latenciesMs = new Float64Array(operations)
  let next = 0
  const one = async () => {
    while (next < operations) {
      const i = next++
      const from = performance.now()
      await operation(i)
      latenciesMs[i] = performance.now() - from
    }
  }
  const from = performance.now()
  await Promise.all(Array.from({ length: atOnce }, one))
  return { operations, elapsedMs: performance.now() - from, latenciesMs }
}

/** The figure of one contender over its rounds. */
export function figure(name: string, rounds: readonly Round[]): Figure {
  const latencies = Float64Array.from(
    rounds.flatMap(({ latenciesMs }) => Array.from(latenciesMs)),
  ).sort()
  return {
    name,
    perSecond: median(rounds.map(perSecond)),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    cpu: cpuAnOperation(rounds),
  }
}

function cpuAnOperation(rounds: readonly Round[]): CpuTimes {
  const operations = rounds.reduce((sum, round) => sum + round.operations, 0)
  const names = new Set(rounds.flatMap(({ cpu }) => Object.keys(cpu ?? {})))
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      rounds.reduce((us, { cpu }) => us + (cpu?.[name] ?? 0), 0) / operations,
    ]),
  )
}

/** The median over the rounds of how many times as fast `a` was as `b` in the same round. */
function medianRatio(a: readonly Round[], b: readonly Round[]): number {
  return median(a.map((round, i) => perSecond(round) / perSecond(b[i] as Round)))
}

const perSecond = ({ operations, elapsedMs }: Round): number => operations / (elapsedMs / 1000)

/** The middle one, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (
    ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2
  )
}

/** The smallest value that at least this share of the (ascending) values does not exceed; NaN of nothing. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
