import { laneSettings } from '@lockstep/contracts'
import type { HeldPartition } from '@lockstep/messaging'

/** Entries that are being handled together. */
export interface Run {
  keys: Set<string>
  partitions: Set<number>
  /** The account of a run that has only one. */
  accountId: string
  startedAt: number
  /** Aborts when the lease of one of its partitions is lost. */
  lost: AbortController
}

interface Held {
  partition: HeldPartition
  since: number
  /** Something may be due that no take has looked for. */
  look: boolean
  runs: Set<Run>
  /** Releases it when nothing has come for a while. */
  linger?: NodeJS.Timeout | undefined
}

/** The partitions that a worker holds, and what goes on in each. */
export interface HeldPartitions {
  hold(partition: HeldPartition): void
  has(partition: number): boolean
  /** Something may be due in it. */
  look(partition: number): void
  /** The partitions to take from now, which count as looked at from here on. */
  toLook(): number[]
  /** Some wait to be taken from until it is certain that this process was not taken for dead. */
  isInDoubt(): boolean
  begin(run: Run): void
  end(run: Run): void
  /** Nothing was due in it. */
  quiet(partition: number): void
  header(partition: number, name: string): string | undefined
  /** Gives back all that nothing goes on in, and the rest as soon as nothing does. */
  stop(): void
}

export function openHeldPartitions(scale: number): HeldPartitions {
  const held = new Map<number, Held>()
  let stopping = false
  const lingerMs = laneSettings.lingerMs * scale
  /** The spread keeps partitions that were taken together from being given back together. */
  const sliceMs = () => laneSettings.sliceMs * scale * (0.75 + Math.random() / 2)

  function release(number: number, it: Held, again: boolean): void {
    clearTimeout(it.linger)
    if (held.get(number) === it) held.delete(number)
    it.partition.release({ again })
  }

  /** Kept a while for what comes next; given back when it had its time, or the worker stops. */
  function settle(number: number, it: Held): void {
    if (it.runs.size > 0) return
    clearTimeout(it.linger)
    if (stopping) release(number, it, it.look)
    else if (!it.look) it.linger = setTimeout(() => release(number, it, false), lingerMs)
  }

  const at = (number: number, then: (it: Held) => void) => {
    const it = held.get(number)
    if (it) then(it)
  }

  return {
    hold(partition) {
      const { partition: number, lease } = partition
      const before = held.get(number)
      clearTimeout(before?.linger)
      before?.partition.release()
      const it: Held = {
        partition,
        since: performance.now(),
        look: true,
        runs: before?.runs ?? new Set(),
      }
      held.set(number, it)
      lease.signal.addEventListener('abort', () => {
        clearTimeout(it.linger)
        if (held.get(number) === it) held.delete(number)
        for (const run of it.runs) run.lost.abort(lease.signal.reason)
      })
      if (stopping) settle(number, it)
    },
    has: (number) => held.has(number),
    look: (number) =>
      at(number, (it) => {
        it.look = true
        clearTimeout(it.linger)
      }),
    toLook() {
      const now = performance.now()
      const ready: number[] = []
      for (const [number, it] of held) {
        if (!it.look || !it.partition.lease.isHeld()) continue
        if (now - it.since < sliceMs()) {
          it.look = false
          ready.push(number)
        } else if (it.runs.size === 0) release(number, it, true) // others have their turn
      }
      return ready
    },
    isInDoubt: () =>
      [...held.values()].some(
        ({ look, partition: { lease } }) => look && !lease.isHeld() && !lease.signal.aborted,
      ),
    begin(run) {
      for (const number of run.partitions) at(number, (it) => it.runs.add(run))
    },
    end(run) {
      for (const number of run.partitions)
        at(number, (it) => {
          it.runs.delete(run)
          it.look = true // what was rung for in vain, or fell due meanwhile
          settle(number, it)
        })
    },
    quiet: (number) => at(number, (it) => settle(number, it)),
    header: (number, name) => held.get(number)?.partition.header(name),
    stop() {
      stopping = true
      for (const [number, it] of held) settle(number, it)
    },
  }
}
