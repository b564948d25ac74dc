import { laneSettings } from '@lockstep/contracts'
import type { AssignedPartition } from '@lockstep/messaging'

/** Entries that are being handled together. */
export interface Run {
  keys: Set<string>
  partitions: Set<number>
  /** The account of a run that has only one. */
  accountId: string
  startedAt: number
  /** Aborts when the lease of one of its partitions is lost. */
  leases: AbortController
}

interface Partition {
  assigned: AssignedPartition
  since: number
  /** Something may be due that no take has looked for. */
  mayHaveWork: boolean
  runs: Set<Run>
  /** Releases it when nothing has come for a while. */
  idleTimer?: NodeJS.Timeout | undefined
}

/** The partitions that a worker has, and the runs in each. */
export interface AssignedPartitions {
  assign(partition: AssignedPartition): void
  has(partition: number): boolean
  /** Something may be due in it. */
  markWork(partition: number): void
  /** The partitions to take from now; they count as looked at from here on. */
  takeFrom(): number[]
  /** Some can't be taken from until it is certain that this process was not declared dead. */
  isInDoubt(): boolean
  begin(run: Run): void
  end(run: Run): void
  /** Nothing was due in it. */
  markIdle(partition: number): void
  header(partition: number, name: string): string | undefined
  /** Releases all without a run, and the rest when their runs end. */
  stop(): void
}

export function openAssignedPartitions(scale: number): AssignedPartitions {
  const partitions = new Map<number, Partition>()
  let stopping = false
  const idleReleaseMs = laneSettings.idleReleaseMs * scale
  /** The spread keeps partitions that came together from being released together. */
  const sliceMs = () => laneSettings.sliceMs * scale * (0.75 + Math.random() / 2)

  function release(number: number, partition: Partition, again: boolean): void {
    clearTimeout(partition.idleTimer)
    if (partitions.get(number) === partition) partitions.delete(number)
    partition.assigned.release({ again })
  }

  function releaseLater(number: number, partition: Partition): void {
    if (partition.runs.size > 0) return
    clearTimeout(partition.idleTimer)
    if (stopping) release(number, partition, partition.mayHaveWork)
    else if (!partition.mayHaveWork)
      partition.idleTimer = setTimeout(() => release(number, partition, false), idleReleaseMs)
  }

  function withPartition(number: number, run: (partition: Partition) => void): void {
    const partition = partitions.get(number)
    if (partition) run(partition)
  }

  function assign(assigned: AssignedPartition): void {
    const { partition: number, lease } = assigned
    const former = partitions.get(number)
    clearTimeout(former?.idleTimer)
    former?.assigned.release()
    const partition: Partition = {
      assigned,
      since: performance.now(),
      mayHaveWork: true,
      runs: former?.runs ?? new Set(),
    }
    partitions.set(number, partition)
    lease.signal.addEventListener('abort', () => {
      clearTimeout(partition.idleTimer)
      if (partitions.get(number) === partition) partitions.delete(number)
      for (const run of partition.runs) run.leases.abort(lease.signal.reason)
    })
    if (stopping) releaseLater(number, partition)
  }

  function takeFrom(): number[] {
    const now = performance.now()
    const ready: number[] = []
    for (const [number, partition] of partitions) {
      if (!partition.mayHaveWork || !partition.assigned.lease.isHeld()) continue
      if (now - partition.since < sliceMs()) {
        partition.mayHaveWork = false
        ready.push(number)
      } else if (partition.runs.size === 0) release(number, partition, true) // others have their turn
    }
    return ready
  }

  function end(run: Run): void {
    for (const number of run.partitions)
      withPartition(number, (partition) => {
        partition.runs.delete(run)
        partition.mayHaveWork = true // what takes left out, or fell due meanwhile
        releaseLater(number, partition)
      })
  }

  return {
    assign,
    has: (number) => partitions.has(number),
    markWork: (number) =>
      withPartition(number, (partition) => {
        partition.mayHaveWork = true
        clearTimeout(partition.idleTimer)
      }),
    takeFrom,
    isInDoubt: () =>
      [...partitions.values()].some(
        ({ mayHaveWork, assigned: { lease } }) =>
          mayHaveWork && !lease.isHeld() && !lease.signal.aborted,
      ),
    begin(run) {
      for (const number of run.partitions)
        withPartition(number, (partition) => partition.runs.add(run))
    },
    end,
    markIdle: (number) => withPartition(number, (partition) => releaseLater(number, partition)),
    header: (number, name) => partitions.get(number)?.assigned.header(name),
    stop() {
      stopping = true
      for (const [number, partition] of partitions) releaseLater(number, partition)
    },
  }
}
