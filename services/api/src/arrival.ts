import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { counter } from '@lockstep/telemetry'

/** How fast a request must arrive. */
export interface ArrivalLimits {
  /** Its headers are whole by then, from its first byte or the connection's beginning. */
  headersMs: number
  /** The whole of it has arrived by then. */
  requestMs: number
  /** Each body is looked at so often. */
  lookEveryMs: number
  /** A body brings so much from one look to the next, or ends. */
  minBytes: number
}

export const arrivalLimits: ArrivalLimits = {
  headersMs: 10_000,
  requestMs: 600_000,
  lookEveryMs: 10_000,
  minBytes: 10_000,
}

const cutOff = counter(
  'lockstep_api_slow_bodies_total',
  'Requests that were cut off because their body came too slowly, or did not end after the response',
)

interface Arriving {
  request: IncomingMessage
  response: ServerResponse
  /** `bytesRead` of its socket at the look before; undefined before the first one. */
  seenBytes?: number
  wasAnswered?: boolean
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

/**
 * Ends requests whose body comes too slowly, and those that go on after their response. `refuse`
 * writes a response to a socket that has none yet, and closes it.
 */
export function cutOffSlowBodies(
  server: Server,
  { lookEveryMs, minBytes }: ArrivalLimits,
  refuse: (socket: Socket) => void,
): void {
  const arriving = new Set<Arriving>()
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (!hasBody(request)) return
    const one = { request, response }
    arriving.add(one)
    request.once('close', () => arriving.delete(one))
  })
  const timer = setInterval(() => {
    for (const one of arriving) {
      if (one.request.complete) arriving.delete(one)
      else if (isSlow(one, minBytes)) end(one)
    }
  }, lookEveryMs)
  server.once('close', () => clearInterval(timer))

  function end({ request, response }: Arriving): void {
    cutOff(1)
    if (response.headersSent) request.destroy()
    else refuse(request.socket)
  }
}

/** Also notes how far the body is. What waits here to be read is not its sender's fault. */
function isSlow(one: Arriving, minBytes: number): boolean {
  const { request, response, seenBytes, wasAnswered } = one
  const { bytesRead } = request.socket
  one.seenBytes = bytesRead
  one.wasAnswered = response.writableFinished
  if (wasAnswered) return true
  if (seenBytes === undefined || request.readableLength > 0) return false
  return bytesRead - seenBytes < minBytes
}
