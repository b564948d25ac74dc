import { type LaneName, type LaneRow, lanes } from '@lockstep/contracts'
import type { FeedContext } from './context.ts'
import type { HandlerOf, LaneHandler, SetHandler } from './handler.ts'
import { runLane } from './lane-runner.ts'
import type { FeedSource } from './source.ts'

/** Runs at a time, unless the lane's row says otherwise. */
const defaultMaxActive = { keys: 32, sets: 8 } as const
/** The part of a worker's places that one account may have. */
const accountShare = 1 / 4

/** Works on a lane as its row says. Disposing waits for what is being handled. */
export function work<Name extends LaneName, Context extends FeedContext>(
  ctx: Context,
  lane: Name,
  source: FeedSource,
  handler: HandlerOf<Name, Context>,
): Promise<AsyncDisposable> {
  const { by, maxActive = defaultMaxActive[by] }: LaneRow = lanes[lane]
  if (by === 'sets') {
    const handle = handler as SetHandler<Context>
    return runLane(ctx, lane, source, {
      by,
      maxActive,
      maxOfAccount: maxActive,
      handle: (entries, lease) => handle(ctx, entries, lease),
    })
  }
  const handle = handler as LaneHandler<Context>
  return runLane(ctx, lane, source, {
    by,
    maxActive,
    maxOfAccount: Math.max(1, Math.ceil(maxActive * accountShare)),
    handle: (entries, lease) => handle(ctx, entries[0]!.key, entries, lease),
  })
}
