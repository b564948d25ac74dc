import { AppError, secretPlaces } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { CreateEndpointRequest, EndpointWithSecret } from '@lockstep/rpc/gen/events'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { type EndpointRow, insertEndpoint, listEndpointRows } from '../db/endpoints.ts'
import { lockPositions, readPosition } from '../db/events.ts'
import { requireDescription } from '../endpoints/description.ts'
import { requireUrl } from '../endpoints/endpoint-url.ts'
import { createSecret } from '../posting/signature.ts'
import { endpointToProto } from '../to-proto.ts'
import { requireTopics } from '../topics.ts'

/** As many as an account has places in one worker's lane: a slow one delays no other. */
const maxEndpoints = 16

/** Has the account's events of some topics posted to a URL, from the next one on. */
export const createEndpoint: Method<Context, CreateEndpointRequest, EndpointWithSecret> = async (
  ctx,
  request,
  { accountId },
) => {
  const id = uuid()
  const url = requireUrl(request.url, ctx.addressRules)
  const description = requireDescription(request.description)
  const topics = requireTopics(request.topics)
  if (topics.length === 0) throw new AppError('invalid', '"topics" must name at least one')
  const secret = createSecret()
  const sealedSecret = ctx.secrets.seal(secret, secretPlaces.webhookEndpoint(id, accountId))
  const endpoint: Omit<EndpointRow, 'followsAfter'> = {
    ...{ id, accountId, url, description, topics, sealedSecret },
    ...{ sealedPrevious: null, previousUntil: null, enabled: true, disabledReason: '' },
    ...{ failingSince: null, createdAt: new Date(ctx.now()) },
  }
  return ctx.db.transaction(accountId, async (tx) => {
    // Whoever records events waits: this one has all that come from here on.
    await lockPositions(tx, [accountId])
    const { lastId: followsAfter } = await readPosition(tx)
    const others = await listEndpointRows(tx)
    if (others.length >= maxEndpoints)
      throw new AppError('conflict', `An account has at most ${maxEndpoints} webhook endpoints`)
    await insertEndpoint(tx, { ...endpoint, followsAfter })
    return { endpoint: endpointToProto({ ...endpoint, followsAfter }), secret }
  })
}
