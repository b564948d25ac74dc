import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ReplayEndpointRequest, ReplayEndpointResponse } from '@lockstep/rpc/gen/events'
import type { Context } from '../context.ts'
import { markFirst, replayDeliveries, replaySince } from '../db/deliveries.ts'
import { pendingGoesOn } from '../endpoints/pending-goes-on.ts'
import { requireEndpoint } from '../endpoints/require-endpoint.ts'
import { requireEventId } from '../event-id.ts'

const maxNamed = 500

/** Posts events again, with the ids that they had: since a moment, or these. */
export const replayEndpoint: Method<Context, ReplayEndpointRequest, ReplayEndpointResponse> = (
  ctx,
  { id, fromMs, deliveryIds },
  { accountId },
) => {
  if ((fromMs === undefined) === (deliveryIds.length === 0))
    throw new AppError('invalid', 'Name either a time or deliveries')
  if (deliveryIds.length > maxNamed)
    throw new AppError('invalid', `Name at most ${maxNamed} deliveries`)
  const eventIds = deliveryIds.map(requireEventId)
  return ctx.db.transaction(accountId, async (tx) => {
    const endpoint = await requireEndpoint(tx, id, { lock: true })
    const subjects =
      fromMs === undefined
        ? await replayDeliveries(tx, endpoint.id, eventIds)
        : await replaySince(tx, endpoint, new Date(fromMs))
    await markFirst(tx, endpoint.id, subjects)
    await pendingGoesOn(ctx, tx, { endpointId: endpoint.id, accountId })
    return { deliveries: subjects.length }
  })
}
