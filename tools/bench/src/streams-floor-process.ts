import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Server-sent events from a bare HTTP server: nothing is stored, checked or repeated. */
const streams = new Map<string, ServerResponse[]>()
let lastId = 0

const server = createServer((request, response) => {
  const key = request.headers.authorization!.replace('Bearer ', '')
  streams.set(key, [...(streams.get(key) ?? []), response])
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
})
server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('message', ({ key, atMs }: { key: string; atMs: number }) => {
  const event = { topic: 'campaigns', kind: 'campaign.state', subject_id: 'a' }
  const text = `id: ${++lastId}\ndata: ${JSON.stringify({ ...event, body: { at_ms: atMs } })}\n\n`
  for (const response of streams.get(key) ?? []) response.write(text)
})
process.once('disconnect', () => process.exit())
