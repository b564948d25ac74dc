import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void

export interface GraphServer extends AsyncDisposable {
  url: string
  /** Every request that arrived whole: method, path with query, authorization and body. */
  seen: { method: string; path: string; authorization: string | undefined; body: string }[]
  /** Connections opened so far. */
  connections: number
}

/** A real HTTP server in the place of Graph. */
export async function startGraph(answer: Answer): Promise<GraphServer> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    graph.seen.push({
      method: request.method!,
      path: request.url!,
      authorization: request.headers.authorization,
      body,
    })
    answer(request, response, body)
  })
  const graph: GraphServer = {
    url: '',
    seen: [],
    connections: 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  server.on('connection', (socket) => {
    graph.connections++
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  graph.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return graph
}

export const answerJson =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_request, response) => {
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body))
  }
