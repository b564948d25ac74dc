import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../authenticator.ts'
import type { Context } from '../context.ts'
import { parse } from '../input.ts'
import type { NamedRoute } from '../route.ts'

const eventStreamType = 'text/event-stream'

/** Of a stream or a download that a request accepts; undefined for a usual answer. */
function acceptedType({ stream, downloads = {} }: NamedRoute, accept = ''): string | undefined {
  const types = [...(stream ? [eventStreamType] : []), ...Object.keys(downloads)]
  return types.find((type) => accept.includes(type))
}

/** Streams have a share of their own, and are no requests under way. */
export const wantsStream = (route: NamedRoute, { headers }: FastifyRequest): boolean =>
  acceptedType(route, headers.accept) !== undefined

interface Asked {
  request: FastifyRequest
  reply: FastifyReply
  /** Who asks now; throws when that is nobody any more. */
  authenticate(): Promise<Caller>
}

/** Answers with the events of a route that has them, until either side ends it, or with a download. */
export async function sendStream(
  ctx: Context,
  route: NamedRoute,
  { request, reply, authenticate }: Asked,
): Promise<FastifyReply> {
  const lastEventId = request.headers['last-event-id']
  const type = acceptedType(route, request.headers.accept)!
  const open = type === eventStreamType ? route.stream! : route.downloads![type]!
  const stream = await open(ctx, {
    query: parse(route.query, request.query, 'query'),
    caller: request.caller!,
    lastEventId: typeof lastEventId === 'string' && lastEventId ? lastEventId : undefined,
    response: reply.raw,
    authenticate,
  })
  reply.header('x-accel-buffering', 'no').type(`${type}; charset=utf-8`)
  if (type !== eventStreamType) reply.header('content-disposition', 'attachment')
  return reply.send(Readable.from(stream, { highWaterMark: 1 }))
}
