import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { createClient, type FollowedEvent } from '../src/index.ts'

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** A server that answers in turn, the last answer again and again. */
async function serve(...answers: Answer[]) {
  const seen: { url: string; headers: IncomingMessage['headers'] }[] = []
  const server = createServer((request, response) => {
    const answer = answers[Math.min(seen.length, answers.length - 1)]!
    seen.push({ url: request.url!, headers: request.headers })
    answer(response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    seen,
    client: createClient({ url, apiKey: 'lk_test' }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const event = (id: number) => `id: ${id}\ndata: ${JSON.stringify({ id: String(id) })}\n\n`

/** Writes, and then the connection is lost, or stays open. */
const stream =
  (text: string, isLost = true): Answer =>
  (response, request) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(text, () => {
      if (isLost) request.socket.destroy()
    })
  }

const problem =
  (status: number): Answer =>
  (response) =>
    response
      .writeHead(status, { 'content-type': 'application/problem+json' })
      .end(
        JSON.stringify({ status, code: status === 401 ? 'unauthenticated' : 'busy', detail: 'D' }),
      )

async function take(events: AsyncIterable<FollowedEvent>, count: number) {
  const taken: string[] = []
  for await (const { kind, id } of events) {
    taken.push(`${kind} ${id}`)
    if (taken.length === count) break
  }
  return taken
}

test('events go on after the last one, whatever becomes of the connection or the API', async () => {
  const cut = `${event(3)}id: 4\ndata: {"id"`
  await using api = await serve(
    stream(`retry: 1000\nid: 1\n\n${event(2)}:\n\n`),
    problem(503),
    stream(cut),
    stream(`event: reset\nid: 9\ndata: {"last_id":"9"}\n\n${event(10)}`, false),
  )
  const events = api.client.follow({ topics: 'campaigns', cursor: '1' })
  expect(await take(events, 4)).toEqual(['event 2', 'event 3', 'reset 9', 'event 10'])
  expect(api.seen.map(({ headers }) => headers['last-event-id'])).toEqual([
    undefined,
    '2',
    '2',
    '3',
  ])
  for (const { url, headers } of api.seen) {
    expect(url).toBe('/v1/events?topics=campaigns&cursor=1')
    expect(headers).toMatchObject({ accept: 'text/event-stream', authorization: 'Bearer lk_test' })
  }
})

test('who is refused, at first or later, is told so; an API that was never there is no stream', async () => {
  await using refused = await serve(problem(401))
  await expect(take(refused.client.follow(), 1)).rejects.toMatchObject({ status: 401 })
  await using later = await serve(stream(event(1)), problem(401))
  await expect(take(later.client.follow(), 2)).rejects.toMatchObject({ status: 401 })
  const nowhere = createClient({ url: 'http://127.0.0.1:1', apiKey: 'lk_test' })
  await expect(take(nowhere.follow(), 1)).rejects.toMatchObject({ name: 'ApiUnreachable' })
})

test('a caller ends it, also while it waits', async () => {
  await using api = await serve(stream(event(1), false))
  const end = new AbortController()
  const events = api.client.follow({}, { signal: end.signal })
  expect(await events.next()).toMatchObject({ value: { id: '1' } })
  const next = events.next()
  end.abort(new Error('enough'))
  await expect(next).rejects.toThrow('enough')
})

test('a file that breaks off throws, so that a part is not taken for the whole', async () => {
  await using api = await serve(stream('id,at\r\n1,'))
  const read = async () => {
    const chunks: Uint8Array[] = []
    const file = api.client.download('listAuditLog', { action: 'a' }, { type: 'text/csv' })
    for await (const chunk of file) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }
  await expect(read()).rejects.toMatchObject({ name: 'ApiUnreachable' })
  expect(api.seen[0]).toMatchObject({
    url: '/v1/audit-log?action=a',
    headers: { accept: 'text/csv' },
  })
})
