import { AppError, type EventTopic } from '@lockstep/contracts'
import type { Event as StoredEvent } from '@lockstep/rpc/gen/events'
import { z } from 'zod'
import { requireAccess } from '../access.ts'
import type { Context } from '../context.ts'
import { allTopics, readableTopics } from '../event-topics.ts'
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

/** Names of topics with commas between. */
const topics = text().transform((list, { addIssue }) => {
  const asked = list.split(',').map((name) => name.trim()) as EventTopic[]
  if (asked.every((name) => allTopics.includes(name))) return asked
  addIssue(`must be names with commas between, of ${allTopics.join(', ')}`)
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
      { topics: readableTopics(caller, topics), after: cursor, limit },
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
  const topics = readableTopics(caller, query.topics)
  const after = lastEventIdOf(lastEventId ?? query.cursor)
  const call = { accountId: caller.accountId }
  const { lastId, droppedId } = await ctx.peers.events.getPosition({}, call)
  const position = { lastId: Number(lastId), droppedId: Number(droppedId) }
  const recheck = async () => {
    const now = await asked.authenticate()
    requireAccess(now, 'events.read')
    readableTopics(now, topics)
  }
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
