import { AppError, deliveryStates } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ListDeliveriesRequest, ListDeliveriesResponse } from '@lockstep/rpc/gen/events'
import { pageLimit } from '@lockstep/service'
import type { Context } from '../context.ts'
import { listDeliveryRows } from '../db/deliveries.ts'
import { requireEndpoint } from '../endpoints/require-endpoint.ts'
import { requireEventId } from '../event-id.ts'
import { deliveryToProto } from '../to-proto.ts'

/** A page of an endpoint's deliveries, the newest event first, 100 by default and at most 500. */
export const listDeliveries: Method<
  Context,
  ListDeliveriesRequest,
  ListDeliveriesResponse
> = async (ctx, { endpointId, state, before, ...request }, { accountId }) => {
  const limit = pageLimit(request.limit, 100, 500)
  if (state && !(deliveryStates as readonly string[]).includes(state))
    throw new AppError('invalid', `"state" must be one of ${deliveryStates.join(', ')}`)
  if (before) requireEventId(before)
  const rows = await ctx.db.transaction(accountId, async (tx) => {
    const { id } = await requireEndpoint(tx, endpointId)
    return listDeliveryRows(tx, { endpointId: id, state, before, limit })
  })
  return { deliveries: rows.map(deliveryToProto) }
}
