import type { LaneName, lanes } from '@lockstep/contracts'
import type { Lease } from '@lockstep/messaging'
import type { FeedEntry } from './entry.ts'

/** What became of an entry; entries that a handler does not mention are done (an empty list: all). A note says what of an entry had no effect. */
export type EntryResult = { id: string } & (
  | { outcome: string; note?: string }
  | { laterMs: number }
)

/**
 * Works on taken entries of one key as a set, and returns or throws; it never acks, settles or buries. Its effects are
 * idempotent by rows, for a crash between its commit and the settling means that the entries are taken again.
 */
export type LaneHandler<Context> = (
  ctx: Context,
  key: string,
  entries: FeedEntry[],
  lease: Lease,
) => Promise<EntryResult[]>

/** Works on taken entries of many keys as one set; of each key they are in order. Otherwise like a handler of one key. */
export type SetHandler<Context> = (
  ctx: Context,
  entries: FeedEntry[],
  lease: Lease,
) => Promise<EntryResult[]>

/** The handler that a lane's row asks for. */
export type HandlerOf<Name extends LaneName, Context> = (typeof lanes)[Name]['by'] extends 'sets'
  ? SetHandler<Context>
  : LaneHandler<Context>
