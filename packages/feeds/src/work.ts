import type { LaneName } from '@lockstep/contracts'
import type { FeedContext } from './context.ts'
import type { LaneHandler, SetHandler } from './handler.ts'
import { runLane } from './runner.ts'
import type { FeedSource } from './source.ts'

/** Runs of keys at a time, and sets at a time where one takes long. */
const usualKeys = 32
const usualSets = 8
/** The part of a worker's places that one account may have. */
const accountShare = 1 / 4

/** Works on a lane key by key: each key's entries for itself, keys side by side. Disposing waits for what is being handled. */
export function work<Context extends FeedContext>(
  ctx: Context,
  lane: LaneName,
  source: FeedSource,
  handler: LaneHandler<Context>,
  { maxActive = usualKeys }: { maxActive?: number } = {},
): Promise<AsyncDisposable> {
  const maxOfAccount = Math.max(1, Math.ceil(maxActive * accountShare))
  return runLane(ctx, lane, source, {
    by: 'keys',
    maxActive,
    maxOfAccount,
    handle: (entries, lease) => handler(ctx, entries[0]!.key, entries, lease),
  })
}

/** Works on a lane set by set: all that is due of all keys together; what comes while one set is handled is the next one. */
export function workSets<Context extends FeedContext>(
  ctx: Context,
  lane: LaneName,
  source: FeedSource,
  handler: SetHandler<Context>,
  { maxActive = usualSets }: { maxActive?: number } = {},
): Promise<AsyncDisposable> {
  return runLane(ctx, lane, source, {
    by: 'sets',
    maxActive,
    maxOfAccount: maxActive,
    handle: (entries, lease) => handler(ctx, entries, lease),
  })
}
