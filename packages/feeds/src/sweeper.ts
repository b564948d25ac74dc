import { type LaneName, lanes } from '@lockstep/contracts'
import type { FeedContext } from './context.ts'
import { duePartitions } from './due.ts'

/** The lanes whose entries stand in this service's rows. */
export function producedLanes({ config }: Pick<FeedContext, 'config'>): LaneName[] {
  return (Object.keys(lanes) as LaneName[]).filter(
    (lane) => lanes[lane].producer === config.service,
  )
}

/** Wakes the worker of each partition of a lane that has a due entry; answers how many. */
export async function wakeDue(
  ctx: Pick<FeedContext, 'db' | 'messaging'>,
  lane: LaneName,
  signal?: AbortSignal,
): Promise<number> {
  const due = await ctx.db.system((tx) => duePartitions(tx, lane))
  signal?.throwIfAborted()
  for (const partition of due) ctx.messaging.wakePartition(lane, partition)
  return due.length
}

/** One round of a sweeper: every lane whose entries stand here. */
export async function sweepDue(
  ctx: Pick<FeedContext, 'config' | 'db' | 'messaging'>,
): Promise<void> {
  for (const lane of producedLanes(ctx)) await wakeDue(ctx, lane)
}
