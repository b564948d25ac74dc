import { AppError, type EventTopic, eventTopics, mayDo } from '@lockstep/contracts'
import type { Event as StoredEvent } from '@lockstep/rpc/gen/events'
import { z } from 'zod'
import type { Caller } from '../authenticator.ts'
import type { Context } from '../context.ts'
import { page, serial, text } from '../input.ts'
import { eventStream } from '../live/event-stream.ts'
import { encode, metaJson, nextCursor, time } from '../response.ts'
import { type AskedStream, route } from '../route.ts'

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
  path: '/v1/events',
  right: 'events.read',
  summary:
    'Lists what happened, oldest first, of ?topics= or of all that you may look at. To go on later, take the id of the last event as ?cursor=. With "Accept: text/event-stream" it tells what comes, as server-sent events.',
  query: z.strictObject({ topics: topics.optional(), ...page(serial, 500) }),
  response: z.object({ events: z.array(event), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { topics, cursor = '', limit }, caller }, call) => {
    const { events } = await ctx.peers.events.listEvents(
      { topics: readable(caller, topics), after: cursor, limit },
      call,
    )
    return { events, nextCursor: nextCursor(events, limit, (row) => row.id) }
  },
  stream: followEvents,
})

/** Begins after the header Last-Event-ID or ?cursor=, else with what comes. */
async function followEvents(ctx: Context, asked: AskedStream): Promise<AsyncIterable<string>> {
  const { caller, response, lastEventId } = asked
  const query = asked.query as { topics?: EventTopic[]; cursor?: string }
  const topics = readable(caller, query.topics)
  const after = lastEventIdOf(lastEventId ?? query.cursor)
  const call = { accountId: caller.accountId }
  const { lastId, droppedId } = await ctx.peers.events.getPosition({}, call)
  const position = { lastId: Number(lastId), droppedId: Number(droppedId) }
  const recheck = async () => void readable(await asked.authenticate(), topics)
  const signal = ctx.streams.begin({ ...call, response, recheck })
  const tail = ctx.tails.join(caller.accountId, position.lastId)
  response.once('close', () => tail[Symbol.dispose]())
  const source = {
    tail,
    readPage: async (after: number, limit: number) =>
      (await ctx.peers.events.listEvents({ topics, after: String(after), limit }, call)).events,
    encode: (row: StoredEvent) => encode(event, row),
    keepAliveMs: ctx.times.keepStreamAliveMs,
  }
  return eventStream(source, { topics, after, position }, signal)
}

function lastEventIdOf(text: string | undefined): number | null {
  if (text === undefined) return null
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new AppError('invalid', 'The header Last-Event-ID must be the id of an event: digits')
}

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
