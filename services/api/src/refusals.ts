import { once } from 'node:events'
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { AppError } from '@lockstep/contracts'
import { v7 as uuid } from 'uuid'
import { failureResponse, securityHeaders, typeOf } from './http-response.ts'

/** Answers a connection with a failure and closes it. */
export type Refuse = (socket: Duplex, error: AppError) => void

/**
 * For what can't have a reply of the framework. A request that came whole before it on the same
 * connection is answered first, or its caller would take the failure for its own.
 */
export function openRefusals(server: Server): Refuse {
  const open = new WeakMap<Duplex, Set<ServerResponse>>()
  const refused = new WeakSet<Duplex>()
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const responses = open.get(socket) ?? new Set()
    open.set(socket, responses.add(response))
    response.once('close', () => responses.delete(response))
  })
  return async (socket, error) => {
    if (refused.has(socket)) return
    refused.add(socket)
    const before = [...(open.get(socket) ?? [])].filter(({ req }) => req.complete)
    await Promise.all(before.map((response) => once(response, 'close')))
    if (socket.writable) socket.end(textOf(error), () => socket.destroy())
    else socket.destroy()
  }
}

function textOf(error: AppError): string {
  const requestId = uuid()
  const { status, body } = failureResponse(error, requestId)
  const headers = Object.entries({
    ...securityHeaders,
    'content-type': typeOf(status),
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers.join('')}\r\n${body}`
}
