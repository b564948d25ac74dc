import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import {
  createGraphClient,
  type GraphClientOptions,
  type SendOutcome,
  type SendRequest,
} from '../src/index.ts'
import { type Answer, answerJson, startGraph } from './graph-server.ts'

const token = 'SECRET-token-of-the-number'
const accepted = {
  messages: [{ id: 'wamid.A', message_status: 'accepted' }],
  contacts: [{ input: '+5547984178525', wa_id: '554784178525' }],
}

function client(baseUrl: string, options: Partial<GraphClientOptions> = {}) {
  return createGraphClient({ baseUrl, version: 'v24.0', timeoutMs: 2_000, ...options })
}
const request = (more: Partial<SendRequest> = {}): SendRequest => ({
  phoneNumberId: '801',
  token,
  proof: '',
  body: { type: 'text' },
  ...more,
})

async function outcomeOf(
  answer: Answer,
  options: Partial<GraphClientOptions> = {},
  more: Partial<SendRequest> = {},
): Promise<SendOutcome> {
  await using graph = await startGraph(answer)
  await using meta = client(graph.url, options)
  const outcome = await meta.sendMessage(request(more))
  expect(JSON.stringify(outcome)).not.toContain(token)
  return outcome
}

test('an accepted message gives its wamid and whom the dialled number reached', async () => {
  await using graph = await startGraph(answerJson(200, accepted))
  await using meta = client(`${graph.url}/graph/`)
  expect(await meta.sendMessage(request())).toEqual({
    kind: 'accepted',
    wamid: 'wamid.A',
    waId: '554784178525',
    userId: undefined,
    input: '+5547984178525',
    messageStatus: 'accepted',
  })
  expect(graph.seen).toEqual([
    {
      method: 'POST',
      path: '/graph/v24.0/801/messages',
      authorization: `Bearer ${token}`,
      body: '{"type":"text"}',
    },
  ])
})

test('a refused connection and a name that does not resolve are certainly not sent', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  await once(closed, 'close')
  for (const url of [`http://127.0.0.1:${port}`, 'http://nowhere.invalid']) {
    await using meta = client(url)
    expect(await meta.sendMessage(request())).toMatchObject({ kind: 'notSent' })
  }
})

test('a failed TLS handshake is certainly not sent', async () => {
  await using graph = await startGraph(answerJson(200, accepted))
  await using meta = client(graph.url.replace('http:', 'https:'))
  expect(await meta.sendMessage(request())).toMatchObject({ kind: 'notSent' })
  expect(graph.seen).toEqual([])
})

test('a reset after the request was written is unknown, and it is written once only', async () => {
  await using graph = await startGraph((req) => req.socket.resetAndDestroy())
  await using meta = client(graph.url)
  expect(await meta.sendMessage(request())).toMatchObject({ kind: 'unknown' })
  expect(graph.seen).toHaveLength(1)
})

test('a reset before the server read anything is unknown: bytes were written', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.resetAndDestroy()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  await using meta = client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  let written = 0
  const outcome = await meta.sendMessage(request({ onWritten: () => written++ }))
  // Either the reset came before the write (then nothing was written), or after it: never notSent
  // once written.
  expect(outcome.kind).toBe(written === 0 ? 'notSent' : 'unknown')
  server.close()
})

test.each<[string, Answer]>([
  ['no answer within the time-out', () => {}],
  ['headers, then silence', (_req, res) => res.writeHead(200).write('{"messages":')],
  [
    'an answer cut off',
    (_req, res) => res.writeHead(200, { 'content-length': '500' }).write('{', () => res.destroy()),
  ],
  ['500 without a code', answerJson(500, {})],
  ['502 in HTML', answerJson(502, '<html>Bad Gateway</html>')],
  ['408', answerJson(408, '')],
  ['200 that is not JSON', answerJson(200, 'OK')],
  ['200 without a message id', answerJson(200, { messages: [] })],
  [
    '200 with an answer over 256 kB',
    answerJson(200, { ...accepted, padding: 'x'.repeat(300_000) }),
  ],
  ['302', answerJson(302, '', { location: 'http://127.0.0.1/' })],
  ['code 1', answerJson(500, { error: { code: 1 } })],
  ['code 2 with 400', answerJson(400, { error: { code: 2 } })],
  ['code "131000" as a string with 400', answerJson(400, { error: { code: '131000' } })],
  ['code 131016', answerJson(503, { error: { code: 131016 } })],
  ['code 133004', answerJson(400, { error: { code: 133004 } })],
  ['an unlisted code with 500', answerJson(500, { error: { code: 999999 } })],
])('%s is unknown', async (_name, answer) => {
  expect(await outcomeOf(answer, { timeoutMs: 300 })).toMatchObject({
    kind: 'unknown',
    reason: expect.stringMatching(/./),
  })
})

test.each([
  [4, 429, 'connection'],
  [80007, 400, 'connection'],
  [613, 500, 'connection'],
  [130429, 403, 'connection'],
  [131057, 500, 'connection'],
  [131056, 200, 'recipient'],
])('code %i is throttled even with HTTP %i, scope %s', async (code, status, scope) => {
  expect(await outcomeOf(answerJson(status, { error: { code } }))).toMatchObject({
    kind: 'throttled',
    code,
    scope,
  })
})

test.each([
  [0, 401, 'connection'],
  [190, 500, 'connection'],
  [299, 403, 'connection'],
  [131031, 503, 'connection'],
  [133010, 500, 'connection'],
  [132000, 400, 'template'],
  [132001, 404, 'template'],
  [132015, 500, 'template'],
  [132016, 200, 'template'],
])('code %i stops even with HTTP %i, scope %s', async (code, status, scope) => {
  expect(await outcomeOf(answerJson(status, { error: { code } }))).toMatchObject({
    kind: 'stopped',
    code,
    scope,
  })
})

test.each([
  [131047, 500],
  [132005, 400],
  [131026, 200],
  [777777, 422],
])('code %i with HTTP %i is rejected with what Meta says', async (code, status) => {
  const error = { code, message: '(#1) Title', error_data: { details: 'What Meta says' } }
  expect(await outcomeOf(answerJson(status, { error }))).toMatchObject({
    kind: 'rejected',
    code,
    details: 'What Meta says',
  })
})

test('without a code the HTTP status decides: 429 is throttled, another 4xx rejected', async () => {
  expect(await outcomeOf(answerJson(429, 'slow down', { 'retry-after': '7' }))).toMatchObject({
    kind: 'throttled',
    code: null,
    retryAfterMs: 7_000,
  })
  expect(await outcomeOf(answerJson(404, '<html>'))).toMatchObject({ kind: 'rejected', code: null })
})

test('the wait that Meta names is taken from both of its headers, the longer one', async () => {
  const usage = JSON.stringify({
    701: [{ type: 'whatsapp', call_count: 100, estimated_time_to_regain_access: 3 }],
  })
  const headers = { 'retry-after': '20', 'x-business-use-case-usage': usage }
  expect(await outcomeOf(answerJson(429, { error: { code: 4 } }, headers))).toMatchObject({
    retryAfterMs: 180_000,
  })
})

test('a message whose time has passed, or that was cancelled before, is never written', async () => {
  await using graph = await startGraph(answerJson(200, accepted))
  await using meta = client(graph.url)
  expect(await meta.sendMessage(request({ notAfterMs: performance.now() - 1 }))).toMatchObject({
    kind: 'notSent',
  })
  expect(await meta.sendMessage(request({ signal: AbortSignal.abort() }))).toMatchObject({
    kind: 'notSent',
  })
  expect(await meta.sendMessage(request({ notAfterMs: performance.now() + 1_000 }))).toMatchObject({
    kind: 'accepted',
  })
  expect(graph.seen).toHaveLength(1)
})

test('a message that waits for a connection past its time is not sent, and the connection stays usable', async () => {
  const held = Promise.withResolvers<() => void>()
  await using graph = await startGraph((req, res, body) => {
    if (graph.seen.length === 1) held.resolve(() => answerJson(200, accepted)(req, res, body))
    else answerJson(200, accepted)(req, res, body)
  })
  await using meta = client(graph.url, { maxSockets: 1 })
  const first = meta.sendMessage(request())
  const answerFirst = await held.promise
  const late = meta.sendMessage(
    request({ notAfterMs: performance.now() + 30, body: { late: true } }),
  )
  const abort = new AbortController()
  const cancelled = meta.sendMessage(request({ signal: abort.signal, body: { cancelled: true } }))
  expect(await late).toMatchObject({ kind: 'notSent' })
  abort.abort()
  expect(await cancelled).toMatchObject({ kind: 'notSent' })
  answerFirst()
  expect(await first).toMatchObject({ kind: 'accepted' })
  expect(await meta.sendMessage(request({ body: { after: true } }))).toMatchObject({
    kind: 'accepted',
  })
  expect(graph.seen.map(({ body }) => body)).toEqual(['{"type":"text"}', '{"after":true}'])
  expect(graph.connections).toBe(1)
})

test('a connection that is given back is the next one in line, and nobody passes it', async () => {
  await using graph = await startGraph(answerJson(200, accepted))
  await using meta = client(graph.url, { maxSockets: 1 })
  const first = await meta.open()
  const order: string[] = []
  const open = async (name: string, signal?: AbortSignal) => {
    const socket = await meta.open(signal)
    order.push(name)
    return socket
  }
  const abort = new AbortController()
  const second = open('second', abort.signal)
  const third = open('third')
  first.release()
  abort.abort() // too late: it has its turn
  const late = open('late')
  const held = await second
  await new Promise(setImmediate)
  expect(order).toEqual(['second'])
  held.release()
  ;(await third).release()
  ;(await late).release()
  expect(order).toEqual(['second', 'third', 'late'])
  expect(graph.connections).toBe(1)
})

test('a blocked event loop can not let a late message out', async () => {
  await using graph = await startGraph(answerJson(200, accepted))
  await using meta = client(graph.url)
  expect(await meta.sendMessage(request())).toMatchObject({ kind: 'accepted' })
  const outcome = meta.sendMessage(request({ notAfterMs: performance.now() + 20 }))
  const until = performance.now() + 60
  while (performance.now() < until);
  expect(await outcome).toMatchObject({ kind: 'notSent' })
  expect(graph.seen).toHaveLength(1)
})

test('a failed connection is told in words or by the system, never by a code of the HTTP library', async () => {
  const outcomes = [
    await outcomeOf((request) => void request.socket.destroy()),
    await outcomeOf((request) => void request.socket.end('SSH-2.0-OpenSSH\r\n')),
    await outcomeOf(answerJson(200, accepted, { 'x-long': 'x'.repeat(100_000) })),
    await outcomeOf(answerJson(200, accepted), {}, { token: `${token}\nX: y` }),
  ]
  const reasons = outcomes.map((outcome) => ('reason' in outcome ? outcome.reason : ''))
  expect(reasons.map((reason) => /\((.*)\)/.exec(reason)?.[1])).toEqual([
    'it was closed',
    'the answer was no HTTP',
    "the answer's headers were too large",
    'the request can not be written as it is',
  ])
})

test('cancelled after it was written is unknown', async () => {
  const abort = new AbortController()
  expect(await outcomeOf(() => abort.abort(), {}, { signal: abort.signal })).toMatchObject({
    kind: 'unknown',
  })
})

test('a client that is being closed ends what runs and sends nothing more', async () => {
  const held = Promise.withResolvers<() => void>()
  await using graph = await startGraph((req, res, body) =>
    held.resolve(() => answerJson(200, accepted)(req, res, body)),
  )
  const meta = client(graph.url)
  const running = meta.sendMessage(request())
  const answer = await held.promise
  const closed = meta[Symbol.asyncDispose]()
  expect(await meta.sendMessage(request())).toMatchObject({ kind: 'notSent' })
  answer()
  expect(await running).toMatchObject({ kind: 'accepted' })
  await closed
  expect(graph.seen).toHaveLength(1)
})

test('a token that can not stand in a header is not sent and not shown', async () => {
  const outcome = await outcomeOf(answerJson(200, accepted), {}, { token: `${token}\nX: y` })
  expect(outcome).toMatchObject({ kind: 'notSent' })
})

test('the time of writing is told once, before the answer', async () => {
  const times: number[] = []
  const before = performance.now()
  await outcomeOf(answerJson(200, accepted), {}, { onWritten: (at) => times.push(at) })
  expect(times).toHaveLength(1)
  expect(times[0]).toBeGreaterThanOrEqual(before)
  expect(times[0]).toBeLessThanOrEqual(performance.now())
})

test('an answer that quotes the token is passed on without it', async () => {
  const error = { code: 100, error_data: { details: `Malformed access token ${token}.` } }
  expect(await outcomeOf(answerJson(400, { error }))).toMatchObject({
    kind: 'rejected',
    details: 'Malformed access token [token].',
  })
})

test.each([
  'Invalid appsecret_proof provided in the API argument',
  'API calls from the server require an appsecret_proof argument',
])(
  'a refused proof stops everybody, though its code is that of a wrong parameter: %s',
  async (message) => {
    const error = { message, type: 'GraphMethodException', code: 100 }
    expect(await outcomeOf(answerJson(400, { error }))).toMatchObject({
      kind: 'stopped',
      code: 100,
      scope: 'connection',
      message: expect.stringContaining('rotate-secret'),
    })
  },
)
