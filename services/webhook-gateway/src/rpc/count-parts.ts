import type { Method } from '@lockstep/rpc'
import type { CountPartsRequest, CountPartsResponse } from '@lockstep/rpc/gen/webhook_gateway'
import type { Context } from '../context.ts'
import { countsByOutcome } from '../db/part-list.ts'

/** What became of the parts of the last 7 days, by outcome and field. */
export const countParts: Method<Context, CountPartsRequest, CountPartsResponse> = async (ctx) => ({
  counts: await ctx.db.system(countsByOutcome),
})
