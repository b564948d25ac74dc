import type { Method } from '@lockstep/rpc'
import type { ListPartsRequest, ListPartsResponse } from '@lockstep/rpc/gen/webhook_gateway'
import type { Context } from '../context.ts'
import { newestParts } from '../db/part-list.ts'

const maxParts = 1_000

/** Parts with an outcome, newest first; when none is named, all that had no effect. */
export const listParts: Method<Context, ListPartsRequest, ListPartsResponse> = async (
  ctx,
  { outcome, limit },
) => ({
  parts: await ctx.db.system((tx) =>
    newestParts(tx, outcome, Math.min(limit > 0 ? limit : 100, maxParts)),
  ),
})
