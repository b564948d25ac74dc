import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type * as proto from '@lockstep/rpc/gen/events'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { deleteEndpointRow, listEndpointRows, writeEndpoint } from '../db/endpoints.ts'
import { lockPositions, readPosition } from '../db/events.ts'
import { requireDescription } from '../endpoints/description.ts'
import { requireUrl } from '../endpoints/endpoint-url.ts'
import { pendingGoesOn } from '../endpoints/pending-goes-on.ts'
import { requireEndpoint } from '../endpoints/require-endpoint.ts'
import { endpointToProto } from '../to-proto.ts'
import { requireTopics } from '../topics.ts'

export const getEndpoint: Method<Context, proto.EndpointId, proto.Endpoint> = (
  ctx,
  { id },
  { accountId },
) => ctx.db.transaction(accountId, async (tx) => endpointToProto(await requireEndpoint(tx, id)))

/** All of the account: there are few. */
export const listEndpoints: Method<
  Context,
  proto.ListEndpointsRequest,
  proto.ListEndpointsResponse
> = async (ctx, _request, { accountId }) => {
  const rows = await ctx.db.transaction(accountId, listEndpointRows)
  return { endpoints: rows.map(endpointToProto) }
}

/** What is not named stays. A disabled one gets no deliveries of what happens meanwhile. */
export const updateEndpoint: Method<Context, proto.UpdateEndpointRequest, proto.Endpoint> = (
  ctx,
  request,
  { accountId },
) =>
  ctx.db.transaction(accountId, async (tx) => {
    await lockPositions(tx, [accountId])
    const { lastId } = await readPosition(tx)
    const before = await requireEndpoint(tx, request.id, { lock: true })
    const { url, description, topics, enabled = before.enabled } = request
    const after = {
      ...before,
      ...(url !== undefined && { url: requireUrl(url, ctx.addressRules) }),
      ...(description !== undefined && { description: requireDescription(description) }),
      ...(topics.length > 0 && { topics: requireTopics(topics) }),
      ...(topics.length > 0 && { followsAfter: lastId }),
      ...(enabled !== before.enabled && {
        ...{ disabledReason: '', failingSince: null, followsAfter: lastId },
      }),
      enabled,
    }
    await writeEndpoint(tx, after)
    if (enabled) await pendingGoesOn(ctx, tx, { endpointId: before.id, accountId })
    return endpointToProto(after)
  })

/** Also has what waits for its next attempt posted at once. */
export const enableEndpoint: Method<Context, proto.EndpointId, proto.Endpoint> = (
  ctx,
  { id },
  call,
) => updateEndpoint(ctx, { id, topics: [], enabled: true }, call)

export const deleteEndpoint: Method<
  Context,
  proto.EndpointId,
  proto.DeleteEndpointResponse
> = async (ctx, request, { accountId }) => {
  const id = requireId(request.id, 'webhook endpoint')
  const isDeleted = await ctx.db.transaction(accountId, (tx) => deleteEndpointRow(tx, id))
  if (!isDeleted) throw new AppError('not_found', `There is no webhook endpoint ${id}`)
  return {}
}
