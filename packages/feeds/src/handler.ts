import type { EntryOutcome, LaneName, lanes } from '@lockstep/contracts'
import type { Lease } from '@lockstep/messaging'
import type { FeedEntry } from './entry.ts'

/** Entries that a handler does not mention are done. A note says what had no effect. */
export type EntryResult = { id: string } & (
  | { outcome: EntryOutcome; note?: string }
  | { laterMs: number }
)

/**
 * Handles entries of one key, and returns or throws. Its effects are idempotent by rows: after a
 * crash before settling they are taken again.
 */
export type LaneHandler<Context> = (
  ctx: Context,
  key: string,
  entries: FeedEntry[],
  lease: Lease,
) => Promise<EntryResult[]>

/** Handles entries of many keys as one set; of each key they are in order. */
export type SetHandler<Context> = (
  ctx: Context,
  entries: FeedEntry[],
  lease: Lease,
) => Promise<EntryResult[]>

/** The handler that a lane's row asks for. */
export type HandlerOf<Name extends LaneName, Context> = (typeof lanes)[Name]['by'] extends 'sets'
  ? SetHandler<Context>
  : LaneHandler<Context>
