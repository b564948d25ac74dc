import type { FastifyReply, FastifyRequest } from 'fastify'
import type { GraphAnswer } from '../graph-errors.ts'

/** A request about an object of Graph. */
export type GraphRequest = FastifyRequest<{
  Params: { version?: string; id: string }
  Querystring: Record<string, string | undefined>
}>

/** Writes a Graph answer; slashes are escaped as on the wire (meta-cloud-api.md §1 "Unicode"). */
export function send(reply: FastifyReply, { status, body, headers }: GraphAnswer): FastifyReply {
  const text = JSON.stringify(body).replaceAll('/', '\\/')
  return reply
    .code(status)
    .headers({ 'content-type': 'application/json; charset=UTF-8', ...headers })
    .send(text)
}
