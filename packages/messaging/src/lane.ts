import type { LaneName } from '@lockstep/contracts'
import type { Lease, OwnLease } from './lease.ts'
import type { Link } from './link.ts'
import type { Pulls } from './pulls.ts'
import type { Semaphore } from './semaphore.ts'

/** This worker's until it is released or its lease is lost. */
export interface AssignedPartition {
  partition: number
  lease: Lease
  /** The trace of the wake-up, by header name. */
  header: (name: string) => string | undefined
  /** `again`: another worker shall go on. False when the lease was lost before. */
  release(options?: { again?: boolean }): boolean
}

export interface LaneListener {
  /** A partition is this worker's from now on, and may have work. */
  onAssigned(assigned: AssignedPartition): void
  /** A partition that this worker has may have more work. */
  onWakeUp(partition: number): void
}

/** One partition of a lane, from its first wake-up until it is idle. */
export interface Partition {
  /** It may have work. */
  wake(): void
  /** Resolves when nothing is left of it, or the worker stops. */
  served: Promise<void>
}

/** What one worker has open on one lane. */
export interface LaneWorker {
  link: Link
  lane: LaneName
  listener: LaneListener
  /** A place for each open pull. */
  places: Semaphore
  pulls: Pulls
  /** The partitions that were woken lately. */
  partitions: Map<number, Partition>
  leases: Set<OwnLease>
  stopping: AbortSignal
}
