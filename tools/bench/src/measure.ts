/** What one contender did in one round: how many operations, in how long, and how long each took (ms). */
export interface Round {
  operations: number
  elapsedMs: number
  latenciesMs: ArrayLike<number>
}

/** Something that does about `operations` operations when told to. */
export interface Contender {
  name: string
  run(operations: number): Promise<Round>
}

export interface Figure {
  name: string
  /** Median over the rounds. */
  perSecond: number
  /** Over the operations of all rounds. */
  p50Ms: number
  p99Ms: number
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
}

/**
 * Runs work, floor and peers in turn, round after round, so that a noisy neighbour hits all of them; what a round before
 * the first one shows is used for nothing but the number of operations.
 */
export async function compare({
  what,
  work,
  floor,
  peers = [],
  others = [],
  reach,
  rounds,
  roundMs,
  least = 100,
}: CompareOptions): Promise<Comparison> {
  const contenders = [work, floor, ...peers, ...others]
  const operations = await warmUp(contenders, roundMs, least)
  const results = new Map<Contender, Round[]>(contenders.map((contender) => [contender, []]))
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      results.get(contender)?.push(await contender.run(operations))
    }
  }
  const of = (contender: Contender) => results.get(contender) ?? []
  const ratioTo = (other: Contender) => medianRatio(of(work), of(other))
  const beside = (other: Contender) => ({ ...figure(other.name, of(other)), ratio: ratioTo(other) })
  return {
    what,
    rounds,
    operations,
    work: figure(work.name, of(work)),
    floor: figure(floor.name, of(floor)),
    ratio: ratioTo(floor),
    ...(reach !== undefined && { reach }),
    peers: peers.map(beside),
    others: others.map(beside),
  }
}

/** Lets everyone get warm twice; returns how many operations of the first one fill `roundMs`. */
async function warmUp(contenders: Contender[], roundMs: number, least: number): Promise<number> {
  let operations = least
  for (let pass = 0; pass < 2; pass++) {
    const rounds = []
    for (const contender of contenders) rounds.push(await contender.run(operations))
    operations = Math.max(least, Math.round(perSecond(rounds[0] as Round) * (roundMs / 1000)))
  }
  return operations
}

/** Does an operation `operations` times, `atOnce` at a time. */
export async function repeat(operations: number, atOnce: number, operation: (i: number) => Promise<unknown>): Promise<Round> {
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
  const latencies = Float64Array.from(rounds.flatMap(({ latenciesMs }) => Array.from(latenciesMs))).sort()
  return {
    name,
    perSecond: median(rounds.map(perSecond)),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  }
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
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2
}

/** The smallest value that at least this share of the (ascending) values does not exceed; NaN of nothing. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
