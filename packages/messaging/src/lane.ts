import type { LaneName } from '@lockstep/contracts'
import type { Gate } from './gate.ts'
import type { Lease, OwnLease } from './lease.ts'
import type { Link } from './link.ts'
import type { Pulls } from './pulls.ts'

/**
 * A partition that was given to this worker. It stays so until it is released or its lease is lost.
 */
export interface HeldPartition {
  partition: number
  lease: Lease
  /** The trace of the doorbell, by header name. */
  header: (name: string) => string | undefined
  /**
   * Gives the partition back: nothing of it is left, or another worker shall go on. False when the
   * lease was lost before.
   */
  release(options?: { again?: boolean }): boolean
}

export interface LaneListener {
  /** A partition is this worker's from now on, and may have work. */
  onHeld(held: HeldPartition): void
  /** Somebody rang a partition that this worker holds. */
  onRung(partition: number): void
}

/** One partition of a lane, from its first wake-up until it is quiet. */
export interface Partition {
  /** Somebody rang it. */
  rung(): void
  /** Resolves when nothing is left of it, or the worker stops. */
  served: Promise<void>
}

/** What one worker has open on one lane. */
export interface LaneConsumer {
  link: Link
  lane: LaneName
  listener: LaneListener
  /** A place for each open pull. */
  places: Gate
  pulls: Pulls
  /** The partitions that were rung lately. */
  partitions: Map<number, Partition>
  leases: Set<OwnLease>
  stopping: AbortSignal
}
