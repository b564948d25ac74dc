import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Check } from './check.ts'

/** CPU time so far in microseconds, user and system together, by process. */
export type CpuTimes = Record<string, number>

/** Reads the CPU time of what is measured: neither the load generator nor a sink is in it. */
export interface CpuMeter {
  read(): CpuTimes
}

/** One process of the system. What it started counts as its own: PostgreSQL's backends, and those that have ended. */
export interface Metered {
  name: string
  pid: number
  /** Descendants that only measure. */
  except?: readonly number[]
}

interface Stat {
  parent: number
  /** Ticks of its own. */
  own: number
  /** Ticks of descendants that have ended and were waited for. */
  ended: number
}

/** Of Linux on every machine that Node runs on. */
const ticksASecond = 100
/** Above this share of a core a system that has nothing to do is doing something. */
const idleShare = 0.1
/** Below this share of a core the work before is over; half a second tells no less. */
const quietShare = 0.2

/** Processes of one name are added up. Throws where there is no /proc: there CPU time can't be told by process. */
export function meterProcesses(processes: () => readonly Metered[]): CpuMeter {
  return {
    read() {
      const stats = readStats()
      const times: CpuTimes = {}
      for (const { name, pid, except = [] } of processes())
        times[name] = (times[name] ?? 0) + treeTicks(stats, pid, except) * (1e6 / ticksASecond)
      return times
    },
  }
}

/** The process that measures is the system's own where the bench calls a library. */
export const meterBench: Metered = { name: 'bench', pid: process.pid }

function readStats(): Map<number, Stat> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return new Map(
    pids.flatMap((pid) => {
      const stat = readStat(Number(pid))
      return stat ? [[Number(pid), stat]] : []
    }),
  )
}

/** Undefined when the process has ended since it was listed. */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ') // the name before may hold anything; field 3 is first
    const at = (field: number) => Number(fields[field - 3])
    return { parent: at(4), own: at(14) + at(15), ended: at(16) + at(17) }
  } catch {
    return undefined
  }
}

function treeTicks(stats: Map<number, Stat>, root: number, except: readonly number[]): number {
  const children = Map.groupBy(stats, ([, { parent }]) => parent)
  const sum = (pid: number): number => {
    const stat = stats.get(pid)
    if (!stat || except.includes(pid)) return 0
    // Children of the bench are measured by name, if at all.
    const below = pid === process.pid ? [] : (children.get(pid) ?? [])
    const ended = pid === process.pid ? 0 : stat.ended
    return stat.own + ended + below.reduce((ticks, [child]) => ticks + sum(child), 0)
  }
  return sum(root)
}

/** What was used between two readings. */
export function usedBetween(before: CpuTimes, after: CpuTimes): CpuTimes {
  return Object.fromEntries(
    Object.entries(after).map(([name, us]) => [name, us - (before[name] ?? us)]),
  )
}

export const totalOf = (times: CpuTimes): number =>
  Object.values(times).reduce((sum, us) => sum + us, 0)

/** Share of a core that is used within a time. */
async function busyShare(meter: CpuMeter, ms: number): Promise<number> {
  const before = meter.read()
  const from = performance.now()
  await delay(ms)
  return totalOf(usedBetween(before, meter.read())) / 1000 / (performance.now() - from)
}

/** Waits until the system has nothing to do any more, `withinMs` at most; what it did until then belongs to the work before. */
export async function untilIdle(meter: CpuMeter, withinMs = 5_000): Promise<void> {
  const until = performance.now() + withinMs
  while ((await busyShare(meter, 500)) > quietShare && performance.now() < until);
}

/** What a system uses that had its last effect `seconds` ago. */
export async function idleAfter(meter: CpuMeter, seconds = 5, beside = ''): Promise<Check> {
  await delay(seconds * 1_000)
  const share = await busyShare(meter, 2_000)
  return {
    what: `CPU from the ${seconds === 1 ? '1st' : `${seconds}th`} second after the last effect on${beside}`,
    found: `${(share * 100).toFixed(1)} % of a core`,
    reach: `≤ ${idleShare * 100} %`,
    ok: share <= idleShare,
  }
}
