import net from 'node:net'
import { shares } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { securityHeaders } from '../src/http-response.ts'
import { type Api, openApi, openStack, type Stack, scale } from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let key: string

/** Short enough for a test; `arrivalLimits` are those in use. */
const arrival = { headersMs: 1_000, requestMs: 60_000, lookEveryMs: 500, minBytes: 1_000 }

beforeAll(async () => {
  stack = up.use(await openStack())
  api = up.use(await openApi(stack.config, { scale, own: { arrival } }))
  key = (await stack.account()).key
})
afterAll(() => up.disposeAsync())

/** A connection on which a test writes bytes; disposing it breaks it. */
function open() {
  let text = ''
  let isClosed = false
  const socket = net.connect(api.httpPort, '127.0.0.1')
  socket.on('data', (bytes) => {
    text += bytes
  })
  socket.on('close', () => {
    isClosed = true
  })
  // A reset is one way to be cut off.
  socket.on('error', () => undefined)
  return {
    write: (bytes: string) => socket.write(bytes),
    text: () => text,
    isClosed: () => isClosed,
    closed: () => until(() => isClosed),
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** The responses to some bytes, until the server closes or as many have come. */
async function responses(bytes: string, count = 1): Promise<string[]> {
  using connection = open()
  connection.write(bytes)
  const all = () => connection.text().split(/(?=HTTP\/1\.1 \d{3} )/)
  const isWhole = (text = '') => {
    const [head, body] = text.split('\r\n\r\n')
    const length = /content-length: (\d+)/i.exec(head ?? '')?.[1]
    return body !== undefined && Buffer.byteLength(body) >= Number(length ?? 0)
  }
  await until(() => connection.isClosed() || (all().length >= count && isWhole(all().at(-1))))
  return all()
}

const statusesOf = (texts: string[]) => texts.map((text) => Number(text.slice(9, 12)))
const authorized = () => `Host: api\r\nAuthorization: Bearer ${key}\r\n`
const get = (target: string, more = '') => `GET ${target} HTTP/1.1\r\n${authorized()}${more}\r\n`
const post = (more: string, body = '') =>
  `POST /v1/campaigns HTTP/1.1\r\n${authorized()}Content-Type: application/json\r\n${more}\r\n${body}`
const isServed = async () => (await api.ask(key, 'GET', '/v1/campaigns')).status === 200

test.each([
  ['two lengths', () => post('Content-Length: 2\r\nContent-Length: 3\r\n', '{}')],
  ['two lengths in one', () => post('Content-Length: 2, 3\r\n', '{}')],
  ['a length that is no number', () => post('Content-Length: +2\r\n', '{}')],
  [
    'a length beside chunks',
    () => post('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  ],
  ['an unknown encoding', () => post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n')],
  ['a chunk whose size is no number', () => post('Transfer-Encoding: chunked\r\n', 'zz\r\n')],
  ['a folded header', () => get('/v1', 'X-A: 1\r\n 2\r\n')],
  ['a space before the colon', () => get('/v1', 'Content-Length : 2\r\n')],
  ['a NUL in a header', () => get('/v1', 'X-A: a\0b\r\n')],
  ['a bare line feed', () => get('/v1', 'X-A: 1\nX-B: 2\r\n')],
  ['two hosts', () => get('/v1', 'Host: other.example\r\nConnection: close\r\n')],
  ['no host', () => 'GET /v1 HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ['an unknown version', () => 'GET /v1 HTTP/7.3\r\nHost: api\r\n\r\n'],
  ['a target with a space', () => get('/v1/a b')],
])(
  'a request with %s is refused, and what follows it on the connection is not read',
  async (_, bytes) => {
    const next = get('/v1/campaigns')
    const all = await responses(bytes() + next, 2)
    expect(statusesOf(all)).toEqual([400])
    expect(all[0]).toContain('"code":"invalid"')
    expect(all[0]).toMatch(/^connection: close\r$/im)
    expect(await isServed()).toBe(true)
  },
)

test('a path is taken as it stands: no other spelling of it reaches a route', async () => {
  const targets = [
    ...['//v1/campaigns', '/v1//campaigns', '/v1/../v1/campaigns', '/v1/./campaigns'],
    ...['/v1%2fcampaigns', '/v1/%2e%2e/v1/campaigns', '/v1/campaigns/', '/V1/campaigns'],
    ...['/v1/campaigns;x=1', '/v1/campaigns%00', '/v1/campaigns%3Flimit=1', '*'],
    ...['http://other.example/v1/campaigns', '/v1/campaigns/..%2fcontacts', '/v1/campaigns#x'],
  ]
  for (const target of targets) {
    const [text] = await responses(get(target))
    expect([target, statusesOf([text!])[0]]).toEqual([
      target,
      expect.toSatisfy((status) => status === 400 || status === 404),
    ])
  }
})

test('headers of 100 kB, and 1,000 of them, are refused', async () => {
  const [large] = await responses(get('/v1', `X-A: ${'x'.repeat(100_000)}\r\n`))
  expect(large).toMatch(/^HTTP\/1\.1 413 .*"code":"too_large".*16 KB/s)
  const [thousand] = await responses(get('/v1', 'X-A: 1\r\n'.repeat(1_000)))
  expect(thousand).toMatch(/^HTTP\/1\.1 413 /)
  const [many] = await responses(get('/v1', 'X-A: 1\r\n'.repeat(150)))
  expect(many).toMatch(/^HTTP\/1\.1 400 .*"code":"invalid".*100 header fields/s)
  expect(await isServed()).toBe(true)
})

test('requests in one piece are answered in their order, each by its own key', async () => {
  const stranger = get('/v1/campaigns').replace(key, 'nobody')
  const asked = Array.from({ length: 30 }, (_, n) =>
    n % 3 === 2 ? stranger : get(n % 3 === 0 ? '/v1/campaigns' : '/v1/nothing'),
  )
  const statuses = statusesOf(await responses(asked.join(''), asked.length))
  expect(statuses).toEqual(asked.map((_, n) => [200, 404, 401][n % 3]))
})

test('a request that came whole is answered as itself, whatever follows it on the connection', async () => {
  const all = await responses(`${get('/v1/campaigns')}nonsense\r\n\r\n`, 2)
  expect(statusesOf(all)).toEqual([200, 400])
})

test('bodies that come byte by byte are cut off, and others are served meanwhile', async () => {
  using slow = new DisposableStack()
  const connections = Array.from({ length: 200 }, () => slow.use(open()))
  const [json, csv] = ['application/json', 'text/csv']
  connections.forEach((connection, n) => {
    const sent = [
      post('Content-Length: 100000\r\n'),
      post('Content-Length: 100000\r\n').replace(key, 'nobody'),
      post('Transfer-Encoding: chunked\r\n')
        .replace('/v1/campaigns', '/v1/contact-imports?file_name=a.csv')
        .replace(json, csv),
    ][n % 3]!
    connection.write(sent)
  })
  const drip = setInterval(() => {
    connections.forEach((connection, n) => {
      connection.write(n % 3 === 2 ? '1\r\na\r\n' : ' ')
    })
  }, 100)
  slow.defer(() => clearInterval(drip))
  const other = (await stack.account()).key
  let served = 0
  await until(async () => {
    served += Number((await api.ask(other, 'GET', '/v1/campaigns')).status === 200)
    return connections.every((connection) => connection.isClosed())
  })
  expect(served).toBeGreaterThan(0)
  const answers = connections.map((connection) => connection.text())
  const tooSlow = answers.filter((text) => /came too slowly|broke off/.test(text))
  expect(tooSlow.length).toBeGreaterThanOrEqual(shares.api_calls.limit / 2)
  expect(statusesOf(answers.filter((text) => text !== '')).every((status) => status < 500)).toBe(
    true,
  )
  expect(await until(isServed)).toBe(true)
})

test('a body that does not end is refused at its limit and cut off', async () => {
  for (const [bearer, status] of [
    [key, 413],
    ['nobody', 401],
  ] as const) {
    using connection = open()
    connection.write(post('Transfer-Encoding: chunked\r\n').replace(key, bearer))
    const piece = `${(50_000).toString(16)}\r\n${' '.repeat(50_000)}\r\n`
    await until(() => {
      connection.write(piece)
      return connection.isClosed()
    })
    expect(statusesOf([connection.text()])).toEqual([status])
  }
})

test('headers that do not end are cut off', async () => {
  using silent = open()
  using slow = open()
  slow.write('GET /v1 HTTP/1.1\r\nHost: api\r\n')
  let n = 0
  await until(() => {
    slow.write(`X-${n++}: 1\r\n`)
    return slow.isClosed()
  })
  expect(slow.text()).toMatch(/^HTTP\/1\.1 400 .*took too long to arrive/s)
  await silent.closed()
})

test('every response tells a browser to keep, show and lend nothing, and no other site may read it', async () => {
  const origin = 'Origin: https://other.example\r\n'
  const preflight = `OPTIONS /v1/campaigns HTTP/1.1\r\n${authorized()}${origin}Access-Control-Request-Method: POST\r\n\r\n`
  const cases: [number, string][] = [
    [200, get('/v1', origin)],
    [200, get('/v1/campaigns', origin)],
    [401, get('/v1/campaigns', origin).replace(key, 'nobody')],
    [404, get('/v1/nothing', origin)],
    [404, preflight],
    [400, get('/v1/contacts/%zz', origin)],
    [400, post(`${origin}Content-Length: 1\r\n`, '{')],
    [400, 'nonsense\r\n\r\n'],
    [413, get('/v1', `X-A: ${'x'.repeat(100_000)}\r\n`)],
  ]
  for (const [status, bytes] of cases) {
    const [text] = await responses(bytes)
    const head = text!.split('\r\n\r\n')[0]!.toLowerCase().split('\r\n')
    expect([bytes.slice(0, 60), statusesOf([text!])]).toEqual([bytes.slice(0, 60), [status]])
    const wanted = Object.entries(securityHeaders).map((pair) => pair.join(': ').toLowerCase())
    expect(head).toEqual(expect.arrayContaining(wanted))
    expect(head.some((line) => /^x-request-id: .+/.test(line))).toBe(true)
    expect(head.filter((line) => line.startsWith('access-control-'))).toEqual([])
  }
})
