import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Above this load of the last minute others are working here, and figures say little. */
export const calmLoad = 0.8

/** The load average of the last minute. */
export const load = (): number => loadavg()[0] ?? 0

/** Waits until the machine is calm, or `withinMs` have passed. */
export async function untilCalm(withinMs: number, say: (what: string) => void): Promise<void> {
  const until = performance.now() + withinMs
  while (load() > calmLoad && performance.now() < until) {
    say(`waiting for a calm machine (load ${load().toFixed(2)})`)
    await delay(10_000)
  }
}

/** Resident memory of a process in bytes, now or at most so far; undefined on systems without /proc. */
export function memoryOf(pid: number, which: 'now' | 'peak'): number | undefined {
  try {
    const field = which === 'now' ? 'VmRSS' : 'VmHWM'
    const kB = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(
      readFileSync(`/proc/${pid}/status`, 'utf8'),
    )?.[1]
    return kB ? Number(kB) * 1024 : undefined
  } catch {
    return undefined
  }
}

/** Collects garbage, so that resident memory says what is kept. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  gc()
  gc()
}
