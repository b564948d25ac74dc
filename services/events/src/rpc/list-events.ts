import type { Method } from '@lockstep/rpc'
import type { ListEventsRequest, ListEventsResponse } from '@lockstep/rpc/gen/events'
import { pageLimit } from '@lockstep/service'
import type { Context } from '../context.ts'
import { listEventsAfter } from '../db/events.ts'
import { requireEventId } from '../event-id.ts'
import { eventToProto } from '../to-proto.ts'
import { requireTopics } from '../topics.ts'

const usualLimit = 100
const maxLimit = 500

/** A page of the account's events of some topics, oldest first. Throws `invalid` for a topic. */
export const listEvents: Method<Context, ListEventsRequest, ListEventsResponse> = async (
  ctx,
  request,
  { accountId },
) => {
  const limit = pageLimit(request.limit, usualLimit, maxLimit)
  const topics = requireTopics(request.topics)
  const after = requireEventId(request.after || '0')
  const events = await ctx.db.transaction(accountId, (tx) =>
    listEventsAfter(tx, { topics, after, limit }),
  )
  return { events: events.map(eventToProto) }
}
