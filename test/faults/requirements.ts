import { percentile } from '../../tools/bench/src/measure.ts'
import type { FaultRun, Requirement } from './run.ts'

/** Writes down what was found; `ends` throws naming every requirement that isn't met. */
export function judge(run: FaultRun) {
  const add = (requirement: Requirement) => {
    run.requirements.push(requirement)
    const { name, found, reach, met } = requirement
    run.note(`${met ? 'met' : 'NOT MET'}: ${name}: ${found} (${reach})`)
  }
  return {
    /** A time that the slowest, or the slowest but one in a hundred, may take. */
    time(name: string, timesMs: readonly number[], which: 'most' | 'p99', mostMs: number): void {
      const sorted = timesMs.toSorted((a, b) => a - b)
      const ms = which === 'most' ? (sorted.at(-1) ?? Number.NaN) : percentile(sorted, 0.99)
      const found = `${which} ${ms.toFixed(0)} ms of ${sorted.length}`
      add({ name, found, reach: `≤ ${mostMs} ms`, met: ms <= mostMs })
    },
    fact(name: string, found: string, reach: string, met: boolean): void {
      add({ name, found, reach, met })
    },
    /** What must not throw. */
    async passes(name: string, work: () => Promise<void>): Promise<void> {
      const failure = await work().then(
        () => undefined,
        (error: Error) => error.message,
      )
      add({ name, found: failure ?? 'it does', reach: 'no violation', met: failure === undefined })
    },
    end(): void {
      const missed = run.requirements.filter(({ met }) => !met)
      if (missed.length > 0)
        throw new Error(
          missed.map(({ name, found, reach }) => `${name}: ${found} (${reach})`).join('; '),
        )
    },
  }
}
