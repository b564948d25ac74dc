import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../authenticator.ts'
import type { Context } from '../context.ts'
import { parse } from '../input.ts'
import type { NamedRoute } from '../route.ts'

const eventStreamType = 'text/event-stream'

/** Streams have a share of their own, and are no requests under way. */
export const wantsStream = ({ stream }: NamedRoute, { headers }: FastifyRequest): boolean =>
  stream !== undefined && (headers.accept ?? '').includes(eventStreamType)

interface Asked {
  request: FastifyRequest
  reply: FastifyReply
  /** Who asks now; throws when that is nobody any more. */
  authenticate(): Promise<Caller>
}

/** Answers with the events of a route that has them, until either side ends it. */
export async function sendStream(
  ctx: Context,
  route: NamedRoute,
  { request, reply, authenticate }: Asked,
): Promise<FastifyReply> {
  const lastEventId = request.headers['last-event-id']
  const stream = await route.stream!(ctx, {
    query: parse(route.query, request.query, 'query'),
    caller: request.caller!,
    lastEventId: typeof lastEventId === 'string' && lastEventId ? lastEventId : undefined,
    response: reply.raw,
    authenticate,
  })
  reply.header('x-accel-buffering', 'no').type(`${eventStreamType}; charset=utf-8`)
  return reply.send(Readable.from(stream, { highWaterMark: 1 }))
}
