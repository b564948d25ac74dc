import type { LaneHandler } from '@lockstep/feeds'
import type { Context } from '../context.ts'
import { deliverDue } from '../deliveries/deliver-due.ts'

/** Posts what is pending of one endpoint; one entry stays until nothing is. */
export const deliver: LaneHandler<Context> = async (ctx, endpointId, entries, lease) => {
  const { id, accountId } = entries[0]!
  const laterMs = await deliverDue(ctx, { endpointId, accountId }, lease.signal)
  return laterMs === null ? [] : [{ id, laterMs }]
}
