import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { ApiError, ApiUnreachable, createClient } from '../src/index.ts'

/** What a server saw of one try. */
interface Seen {
  line: string
  headers: IncomingMessage['headers']
  body: string
}

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** A server that answers its tries in turn, the last answer again and again. */
async function serve(...answers: Answer[]) {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const answer = answers[Math.min(seen.length, answers.length - 1)]!
    seen.push({
      line: `${request.method} ${request.url}`,
      headers: request.headers,
      body: await text(request),
    })
    answer(response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    seen,
    client: createClient({ url, apiKey: 'lk_test' }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const ok =
  (body: unknown): Answer =>
  (response) =>
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body))

const problem =
  (status: number, code: string, headers: Record<string, string> = {}): Answer =>
  (response) => {
    const body = { type: `/docs#${code}`, title: 'T', status, code, detail: 'D', request_id: 'r1' }
    const type = { 'content-type': 'application/problem+json; charset=utf-8' }
    response.writeHead(status, { ...type, ...headers }).end(JSON.stringify(body))
  }

const breaks: Answer = (_, request) => request.socket.destroy()
const isSilent: Answer = () => {}

test('fields stand in the path, in the query or in the body, and the key in a header', async () => {
  await using server = await serve(ok({}))
  const { client, seen } = server
  await client.listRecipients({ id: 'a/b?c', state: 'read', limit: 2, cursor: undefined })
  await client.setContactSettings({ body: { default_country: 'DE' } })
  await client.createContactImport({ file_name: 'ä.csv', body: 'name\nAna\n' })
  expect(seen.map(({ line, body }) => [line, body])).toEqual([
    ['GET /v1/campaigns/a%2Fb%3Fc/recipients?state=read&limit=2', ''],
    ['PUT /v1/contact-settings', '{"default_country":"DE"}'],
    ['POST /v1/contact-imports?file_name=%C3%A4.csv', 'name\nAna\n'],
  ])
  expect(seen.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill('Bearer lk_test'))
  expect(seen.map(({ headers }) => headers['content-type'])).toEqual([
    undefined,
    'application/json',
    'text/csv',
  ])
})

test('an id that would lead to another path is not sent', async () => {
  await using server = await serve(ok({}))
  await expect(async () => server.client.getContact({ id: '..' })).rejects.toThrow('".." can\'t be')
  expect(server.seen).toEqual([])
})

test('a writing call is repeated with its own key until it is answered', async () => {
  await using server = await serve(
    breaks,
    problem(503, 'busy'),
    problem(409, 'conflict', { 'retry-after': '0' }),
    ok({ id: 'c1' }),
  )
  const { client, seen } = server
  expect(await client.startCampaign({ id: 'c1' })).toEqual({ id: 'c1' })
  const keys = seen.map(({ headers }) => headers['idempotency-key'])
  expect(keys).toHaveLength(4)
  expect(new Set(keys).size).toBe(1)
  await client.startCampaign({ id: 'c1' })
  expect(seen[4]!.headers['idempotency-key']).not.toBe(keys[0])
  await client.startCampaign({ id: 'c1' }, { idempotencyKey: 'mine' })
  expect(seen[5]!.headers['idempotency-key']).toBe('mine')
})

test.each([
  ['startCampaign', 504, 'timeout', 4],
  ['startCampaign', 500, 'internal', 1],
  ['startCampaign', 409, 'conflict', 1],
  ['startCampaign', 422, 'precondition', 1],
  ['getCampaign', 504, 'timeout', 4],
  ['getCampaign', 500, 'internal', 1],
  ['getCampaign', 503, 'busy', 4],
] as const)('%s that is answered %i %s is tried %i times', async (name, status, code, tries) => {
  await using server = await serve(problem(status, code))
  const failed = await server.client[name]({ id: 'c1' }).catch((error: unknown) => error)
  expect(failed).toBeInstanceOf(ApiError)
  expect(failed).toMatchObject({ status, code, title: 'T', detail: 'D', requestId: 'r1' })
  expect(server.seen).toHaveLength(tries)
})

test('a client waits as long as Retry-After says, unless that is longer than a minute', async () => {
  await using server = await serve(problem(429, 'throttled', { 'retry-after': '1' }), ok({}))
  const beganAt = performance.now()
  await server.client.listContacts()
  expect(performance.now() - beganAt).toBeGreaterThan(990)
  await using patient = await serve(problem(429, 'throttled', { 'retry-after': '61' }))
  await expect(patient.client.listContacts()).rejects.toMatchObject({ retryAfterMs: 61_000 })
  expect(patient.seen).toHaveLength(1)
})

test('an upload that is made anew for each try is sent whole each time', async () => {
  await using server = await serve(breaks, ok({ id: 'i1' }))
  const encoder = new TextEncoder()
  await server.client.createContactImport({
    file_name: 'a.csv',
    body: async function* () {
      yield encoder.encode('name\n')
      yield encoder.encode('Ana\n')
    },
  })
  expect(server.seen.map(({ body }) => body)).toEqual(['name\nAna\n', 'name\nAna\n'])
})

test('a field that is wrong is named', async () => {
  const errors = [{ in: 'body', field: 'name', detail: 'must be a text' }]
  await using server = await serve((response) => {
    response.writeHead(400, { 'content-type': 'application/problem+json' })
    response.end(JSON.stringify({ code: 'invalid', detail: '"name" must be a text', errors }))
  })
  const failed = server.client.createApiKey({ body: { name: '', rights: [] } })
  await expect(failed).rejects.toMatchObject({ code: 'invalid', errors })
})

test('an answer that is not of the API is told as such, and a redirect is not followed', async () => {
  await using page = await serve((response) => response.writeHead(404).end('<html>'))
  await expect(page.client.listCampaigns()).rejects.toMatchObject({
    code: 'unreadable',
    status: 404,
  })
  await using other = await serve(ok({}))
  await using server = await serve((response) =>
    response.writeHead(307, { location: `${other.url}/v1/campaigns` }).end(),
  )
  await expect(server.client.listCampaigns()).rejects.toMatchObject({ status: 307 })
  expect(other.seen).toEqual([])
})

test('an API that is not there or says nothing is unreachable, in words', async () => {
  const silent = await serve(isSilent)
  const hasty = createClient({ url: silent.url, apiKey: 'lk_test', timeoutMs: 300 })
  await expect(hasty.listCampaigns()).rejects.toThrow(/did not answer: .*timeout/)
  expect(silent.seen).toHaveLength(4)
  const { url } = silent
  await silent[Symbol.asyncDispose]()
  const gone = createClient({ url, apiKey: 'lk_test' }).listCampaigns()
  await expect(gone).rejects.toThrow(`${url} did not answer: connect ECONNREFUSED`)
  await expect(gone).rejects.toBeInstanceOf(ApiUnreachable)
})

test('a caller ends a call, also between two tries', async () => {
  await using server = await serve(problem(429, 'throttled', { 'retry-after': '30' }))
  const controller = new AbortController()
  const call = server.client.listContacts({}, { signal: controller.signal })
  await expect.poll(() => server.seen.length).toBe(1)
  controller.abort(new Error('enough'))
  await expect(call).rejects.toThrow(/enough|aborted/)
})

test('a list is read page after page, and no further than it is used', async () => {
  await using server = await serve(
    ok({ contacts: [{ id: '1' }, { id: '2' }], next_cursor: '2' }),
    ok({ contacts: [{ id: '3' }], next_cursor: null }),
  )
  const ids = []
  for await (const { id } of server.client.each.listContacts({ tag: 'x' })) ids.push(id)
  expect(ids).toEqual(['1', '2', '3'])
  expect(server.seen.map(({ line }) => line)).toEqual([
    'GET /v1/contacts?tag=x',
    'GET /v1/contacts?tag=x&cursor=2',
  ])
  await using long = await serve(ok({ contacts: [{ id: '1' }], next_cursor: '1' }))
  for await (const _ of long.client.each.listContacts()) break
  expect(long.seen).toHaveLength(1)
})
