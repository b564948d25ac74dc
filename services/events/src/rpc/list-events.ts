import { AppError, type EventTopic, eventTopics } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ListEventsRequest, ListEventsResponse } from '@lockstep/rpc/gen/events'
import { pageLimit } from '@lockstep/service'
import type { Context } from '../context.ts'
import { listEventsAfter } from '../db/events.ts'
import { requireEventId } from '../event-id.ts'
import { eventToProto } from '../to-proto.ts'

const usualLimit = 100
const maxLimit = 500

/** A page of the account's events of some topics, oldest first. Throws `invalid` for a topic. */
export const listEvents: Method<Context, ListEventsRequest, ListEventsResponse> = async (
  ctx,
  request,
  { accountId },
) => {
  const limit = pageLimit(request.limit, usualLimit, maxLimit)
  const topics = request.topics.map(requireTopic)
  const after = requireEventId(request.after || '0')
  const events = await ctx.db.transaction(accountId, (tx) =>
    listEventsAfter(tx, { topics, after, limit }),
  )
  return { events: events.map(eventToProto) }
}

function requireTopic(name: string): EventTopic {
  if (Object.hasOwn(eventTopics, name)) return name as EventTopic
  throw new AppError('invalid', `There is no topic "${name.slice(0, 64)}"`)
}
