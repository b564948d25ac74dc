import { AppError, type EventTopic, eventTopics, mayDo } from '@lockstep/contracts'
import { z } from 'zod'
import type { Caller } from '../authenticator.ts'
import { page, serial, text } from '../input.ts'
import { metaJson, nextCursor, time } from '../response.ts'
import { route } from '../route.ts'

const event = z
  .object({
    id: z.string(),
    topic: z.string(),
    kind: z.string(),
    subject_id: z.string(),
    body: metaJson,
    occurred_at: time,
  })
  .meta({ id: 'Event' })

const names = Object.keys(eventTopics) as EventTopic[]

/** Names of topics with commas between. */
const topics = text().transform((list, { addIssue }) => {
  const asked = list.split(',').map((name) => name.trim()) as EventTopic[]
  if (asked.every((name) => names.includes(name))) return asked
  addIssue(`must be names with commas between, of ${names.join(', ')}`)
  return z.NEVER
})

export const listEvents = route({
  method: 'GET',
  path: '/v1/events/list',
  right: 'events.read',
  summary:
    'Lists what happened, oldest first, of ?topics= or of all that you may look at. To go on later, take the id of the last event as ?cursor=.',
  query: z.strictObject({ topics: topics.optional(), ...page(serial, 500) }),
  response: z.object({ events: z.array(event), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { topics, cursor = '', limit }, caller }, call) => {
    const { events } = await ctx.peers.events.listEvents(
      { topics: readable(caller, topics), after: cursor, limit },
      call,
    )
    return { events, nextCursor: nextCursor(events, limit, (row) => row.id) }
  },
})

/** The topics of what the caller may look at. Throws `forbidden` for another that is named. */
function readable({ rights }: Caller, asked?: readonly EventTopic[]): EventTopic[] {
  const refused = asked?.find((topic) => !mayDo(rights, eventTopics[topic].right))
  if (refused)
    throw new AppError(
      'forbidden',
      `The topic "${refused}" asks for the right "${eventTopics[refused].right}", which this API key has not`,
    )
  return [...(asked ?? names.filter((topic) => mayDo(rights, eventTopics[topic].right)))]
}
