import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import net from 'node:net'
import { shares } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes as all } from '../src/http/index.ts'
import {
  type Api,
  draft,
  nowhere,
  openApi,
  openStack,
  type Stack,
  scale,
  tenant,
  untilBlocked,
  whileLocked,
} from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let key: string

beforeAll(async () => {
  stack = up.use(await openStack())
  api = up.use(await openApi(stack.config))
  key = (await stack.account()).key
})
afterAll(() => up.disposeAsync())

const unknownKey = `lk_${randomBytes(32).toString('base64url')}`

test('a request without a key that is in use is refused, with what to send', async () => {
  for (const authorization of [undefined, 'Basic abc', 'Bearer nonsense', `Bearer ${unknownKey}`]) {
    const response = await fetch(`${api.url}/v1/campaigns`, {
      headers: authorization ? { authorization } : {},
    })
    expect([authorization, response.status, response.headers.get('www-authenticate')]).toEqual([
      authorization,
      401,
      'Bearer',
    ])
    expect(await response.json()).toMatchObject({
      code: 'unauthenticated',
      detail: expect.stringContaining('Authorization: Bearer lk_'),
    })
  }
})

test('an account has its share of requests under way, whatever is over is told when to come again, and others are served', async () => {
  const [busy, other] = [(await stack.account()).key, key]
  const headers = {
    authorization: `Bearer ${busy}`,
    'content-type': 'application/json',
    'content-length': '100',
  }
  const { port, hostname } = new URL(api.url)
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })
  using _agent = { [Symbol.dispose]: () => agent.destroy() }
  let overShare = 0
  // Each has begun and does not end, for its body does not.
  const begin = () => {
    const begun = request({ hostname, port, agent, path: '/v1/campaigns', method: 'POST', headers })
    begun.on('response', ({ statusCode }) => {
      overShare += Number(statusCode === 429)
    })
    begun.on('error', () => undefined).write('{')
  }
  for (let n = 0; n < shares.api_calls.limit; n++) begin()
  // A request beside them would have the place of one of them while it runs.
  await until(() => {
    begin()
    return overShare > 0
  })
  const refused = await api.ask(busy, 'GET', '/v1/campaigns')
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(refused.json.code).toBe('throttled')
  expect((await api.ask(other, 'GET', '/v1/campaigns')).status).toBe(200)
  agent.destroy()
  await until(async () => (await api.ask(busy, 'GET', '/v1/campaigns')).status === 200)
})

test('a wrong request names each wrong field and what it must be', async () => {
  const campaign = await api.ask(key, 'POST', '/v1/campaigns', {
    name: ' ',
    connection_id: '7',
    filter: { tags: [] },
    values: { a: 1 },
  })
  expect(campaign.status).toBe(400)
  expect(campaign.json.code).toBe('invalid')
  expect(campaign.json.errors[4]).toEqual({
    in: 'body',
    field: 'filter.tags',
    detail: 'must name at least one tag: no filter ever means everybody',
  })
  expect(campaign.json.detail.split('; ')).toEqual([
    '"name" must be a text of 1 to 512 characters',
    '"connection_id" must be an id',
    '"template_name" must be a text of 1 to 512 characters',
    '"template_language" must be a text of 1 to 64 characters',
    '"filter.tags" must name at least one tag: no filter ever means everybody',
    '"values.a" must be a text of 1 to 4096 characters',
  ])
  const words = async (method: string, path: string, body?: unknown) =>
    (await api.ask(key, method, path, body)).json.detail
  const consent = '/v1/contacts/0/consent'
  expect(await words('POST', consent, { kind: 'maybe', evidence: 'x' })).toBe(
    '"kind" must be one of opt_out, opt_in, block, unblock',
  )
  expect(await words('POST', consent, { kind: 'block', evidence: 'a\0b' })).toBe(
    '"evidence" must not contain the character U+0000',
  )
  expect(await words('POST', consent, [])).toBe('The body must be a JSON object')
  expect(await words('PUT', '/v1/connections/0/limits', { per_minute: 1.5, per_second: 0 })).toBe(
    '"per_minute" must be a whole number from 1 to 1000000; "per_second" must be a whole number from 1 to 100000',
  )
  expect(await words('GET', '/v1/contacts?tags=spring')).toBe(
    'The query has no field "tags"; its fields are tag, filter, cursor, limit',
  )
  expect(await words('GET', '/v1/contacts?limit=201&cursor=x')).toBe(
    '"cursor" must be an id; "limit" must be a whole number from 1 to 200',
  )
  expect(await words('GET', '/v1/campaigns/0/recipients?state=lost')).toContain(
    '"state" must be one of queued, sending, ',
  )
  expect(await words('POST', '/v1/contact-imports?file_name=a.csv')).toBe(
    'The body must be the CSV file, sent with "Content-Type: text/csv"',
  )
  expect(
    await words('GET', `/v1/templates?waba_id=1&connection_id=${crypto.randomUUID()}`),
  ).toContain('not both')
})

test('every failure has the same shape and the id of its request', async () => {
  const missing = await api.ask(key, 'GET', '/v1/campaigns/7', undefined, {
    'x-request-id': 'mine-1',
  })
  expect(missing.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  expect(missing.json).toEqual({
    type: '/docs#not_found',
    title: 'There is no such thing',
    status: 404,
    code: 'not_found',
    detail: 'There is no campaign "7"',
    request_id: 'mine-1',
  })
  const big = JSON.stringify({ name: 'x'.repeat(1_000_001) })
  const cases: [number, string, string, string, unknown?, Record<string, string>?][] = [
    [404, 'not_found', 'GET', '/v1/nothing'],
    [404, 'not_found', 'DELETE', '/v1/campaigns'],
    [400, 'invalid', 'GET', '/v1/contacts/%zz'],
    [400, 'invalid', 'POST', '/v1/campaigns', '{"name": '],
    [400, 'invalid', 'POST', '/v1/campaigns', '{"__proto__": {}}'],
    [
      400,
      'invalid',
      'POST',
      '/v1/campaigns',
      'name=x',
      { 'content-type': 'application/x-www-form-urlencoded' },
    ],
    [400, 'invalid', 'POST', '/v1/campaigns', 'a,b', { 'content-type': 'text/csv' }],
    [400, 'invalid', 'POST', '/v1/contact-imports?file_name=a.csv', '{}'],
    [413, 'too_large', 'POST', '/v1/campaigns', big],
    [422, 'precondition', 'POST', '/v1/connections', { ...(await badNumber()) }],
  ]
  for (const [status, code, method, path, body, headers] of cases) {
    const answer = await api.ask(key, method, path, body, headers)
    expect([path, answer.status, answer.json.code]).toEqual([path, status, code])
    expect(answer.json.detail).not.toBe('')
    expect(answer.json.request_id).toBe(answer.headers.get('x-request-id'))
  }
  expect(await raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*"code":"invalid"/s)
})

/** A number whose token Meta doesn't know: its refusal isn't the caller's own 401. */
async function badNumber() {
  const app = { name: 'App', meta_app_id: '1', secret: 'app-secret', verify_token: 'verify' }
  const { id } = (await api.ask(key, 'POST', '/v1/apps', app)).json
  return { ...(await stack.number('9101')), access_token: 'wrong', app_id: id }
}

function raw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = net.connect(api.httpPort, '127.0.0.1', () => socket.write(request))
    socket.on('data', (bytes) => {
      answer += bytes
    })
    socket.on('close', () => resolve(answer)).on('error', reject)
  })
}

test('what goes wrong inside is logged and leaves as "Internal error"', async () => {
  const lines: unknown[][] = []
  const log = {
    error: (...line: unknown[]) => lines.push(line),
    warn() {},
    info() {},
    debug() {},
  } as never
  await using own = await openApi(stack.config, { scale, log })
  await stack.world.sql('alter table accounts.connections rename to elsewhere')
  const broken = await own.ask(key, 'GET', '/v1/connections')
  await stack.world.sql('alter table accounts.elsewhere rename to connections')
  expect(broken.status).toBe(500)
  const request_id = broken.headers.get('x-request-id')
  expect(broken.json).toEqual({
    type: '/docs#internal',
    title: 'Something went wrong inside',
    status: 500,
    code: 'internal',
    detail: 'Internal error',
    request_id,
  })
  expect(lines).toMatchObject([
    [{ requestId: request_id, route: 'GET /v1/connections' }, 'A request failed'],
  ])
  expect(JSON.stringify(lines)).not.toContain(key)
})

test('a peer that is away is 503: the same request may be sent again', async () => {
  await using own = await openApi({
    ...stack.config,
    addresses: { ...stack.config.addresses, campaigns: nowhere },
  })
  expect(await own.ask(key, 'GET', '/v1/campaigns')).toMatchObject({
    status: 503,
    json: { code: 'busy' },
  })
})

test('GET /v1 tells a stranger every route in words', async () => {
  const { routes } = (await (await fetch(`${api.url}/v1`)).json()) as {
    routes: { method: string; path: string; does: string }[]
  }
  expect(routes).toHaveLength(all.length)
  expect(routes).toContainEqual({
    method: 'GET',
    path: '/v1/contacts/:id',
    does: 'Shows a contact.',
  })
})

test('a stop answers the requests that are running and takes no new ones', async () => {
  // A stop that had to cut off a connection would outlast the test.
  const own = await openApi({ ...stack.config, drainMs: 60_000 })
  const owner = await tenant(stack, api, '9102')
  const [answer, closed] = await whileLocked(stack.world, 'campaigns.campaigns', async () => {
    const running = own.ask(owner.key, 'POST', '/v1/campaigns', draft(owner.connectionId))
    await untilBlocked(stack.world, 'campaigns.campaigns')
    const stopping = own[Symbol.asyncDispose]()
    await expect(fetch(`${own.url}/v1`)).rejects.toThrow()
    return [running, stopping]
  })
  expect((await answer)!.status).toBe(201)
  await closed
})
