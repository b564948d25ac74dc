import { rm } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import path from 'node:path'
import { everyRight } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { configIn, startSystem, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { apiService } from '../src/service.ts'
import { type Api, openApi } from './fixtures.ts'

const scale = 0.1
const up = new AsyncDisposableStack()
let system: TestSystem
let config: Parameters<typeof openApi>[0]
let api: Api

beforeAll(async () => {
  system = up.use(await startSystem({ scale }))
  const addresses = Object.entries(system.ports).map(([name, { grpc }]) => [
    `LOCKSTEP_${name.replaceAll('-', '_').toUpperCase()}_ADDRESS`,
    `127.0.0.1:${grpc}`,
  ])
  config = configIn(system.world, apiService, Object.fromEntries(addresses))
  api = up.use(await openApi(config, { scale }))
})
afterAll(() => up.disposeAsync())

async function account(rights: string[] = [everyRight]) {
  const { id: accountId } = await system.clients.accounts.createAccount({ name: 'Acme' }, {})
  return { accountId, key: await keyOf(accountId, rights) }
}

async function keyOf(accountId: string, rights: string[]): Promise<string> {
  const request = { name: 'test', rights, heldRights: [everyRight] }
  return (await system.clients.accounts.createApiKey(request, { accountId })).key
}

type Topic = 'campaigns' | 'templates'
const kinds = { campaigns: 'campaign.state', templates: 'template.status' }

/** Writes entries as the service of a topic does, each with one event for each subject. */
async function tell(
  accountId: string,
  topic: Topic,
  subjects: string[],
  padding = '',
): Promise<void> {
  const events = subjects.map((subjectId) => ({
    kind: kinds[topic],
    subjectId,
    body: { state: 'sending', padding },
  }))
  await system.world.sql(
    `insert into ${topic}.feed_open (lane, key, account_id, body)
     values ($1, $2::text, $2::text::uuid, convert_to($3, 'UTF8'))`,
    [`events.${topic}`, accountId, JSON.stringify(events)],
  )
}

interface Message {
  id: string
  event: string
  data: string
}

/** A stream as a browser reads it. */
async function open(key: string, { query = '', after = '' } = {}, of: Pick<Api, 'url'> = api) {
  const headers = { authorization: `Bearer ${key}`, accept: 'text/event-stream' }
  const request = get(`${of.url}/v1/events${query}`, {
    headers: { ...headers, ...(after && { 'last-event-id': after }) },
    agent: false,
  })
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject)
  })
  const messages: Message[] = []
  let lastId = ''
  let comments = 0
  let text = ''
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const of = (field: string) =>
        lines.find((line) => line.startsWith(`${field}: `))?.slice(field.length + 2) ?? ''
      if (of('id')) lastId = of('id')
      if (of('data')) messages.push({ id: of('id'), event: of('event'), data: of('data') })
      if (lines[0]!.startsWith(':')) comments++
    }
  })
  const ended = new Promise<void>((resolve) => {
    response.once('close', resolve).once('error', () => resolve())
  })
  return {
    status: response.statusCode,
    response,
    messages,
    ended,
    lastId: () => lastId,
    comments: () => comments,
    events: () => messages.map(({ data }) => JSON.parse(data)),
    [Symbol.dispose]: () => void request.destroy(),
  }
}

test('a stream tells what comes, of the topics that it names or that its key may read, and nothing of another account', async () => {
  const { accountId, key } = await account()
  const other = await account()
  await tell(accountId, 'campaigns', ['before'])
  const listed = async () => (await api.ask(key, 'GET', '/v1/events')).json.events
  await until(async () => (await listed()).length === 1)
  using all = await open(key)
  using templates = await open(key, { query: '?topics=templates' })
  using limited = await open(await keyOf(accountId, ['events.read', 'campaigns.read']))
  await until(() => [all, templates, limited].every((each) => each.lastId() === '1'))
  await tell(other.accountId, 'campaigns', ['theirs'])
  await tell(accountId, 'campaigns', ['one'])
  await tell(accountId, 'templates', ['two'])
  await until(() => all.messages.length === 2)
  const subjects = (stream: typeof all) => stream.events().map((event) => event.subject_id)
  expect(subjects(all).toSorted()).toEqual(['one', 'two'])
  await until(() => templates.messages.length + limited.messages.length === 2)
  expect([subjects(templates), subjects(limited)]).toEqual([['two'], ['one']])
  expect(all.events()).toEqual((await listed()).slice(1))
  const keepAlive = await until(() => all.comments())
  expect(keepAlive).toBeGreaterThan(0)
})

test('without the right, or for a topic that the key may not read, there is no stream', async () => {
  const { accountId } = await account()
  const answer = async (rights: string[], query = '') => {
    const headers = { accept: 'text/event-stream' }
    const key = await keyOf(accountId, rights)
    return (await api.ask(key, 'GET', `/v1/events${query}`, undefined, headers)).status
  }
  expect(await answer(['campaigns.read'])).toBe(403)
  expect(await answer(['events.read', 'campaigns.read'], '?topics=conversations')).toBe(403)
  expect(await answer(['events.read'], '?topics=nothing')).toBe(400)
})

test('who reconnects with the last id misses nothing and gets nothing twice, with writers in several processes and NATS without its store', {
  timeout: 120_000,
}, async () => {
  await using _second = await system.spawn('events')
  const { accountId, key } = await account()
  const total = 240
  const write = async () => {
    for (let i = 0; i < total; i += 2) {
      await tell(accountId, i % 4 === 0 ? 'campaigns' : 'templates', [`${i}`, `${i + 1}`])
      if (i === total / 2) {
        const { nats } = system.world
        await nats.kill()
        await rm(path.join(nats.dir, 'nats'), { recursive: true, force: true })
        await nats.restart()
      }
    }
  }
  const seen: string[] = []
  const read = async () => {
    for (let after = ''; seen.length < total; ) {
      using stream = await open(key, { after, query: after ? '' : '?cursor=0' })
      const atLeast = Math.min(17, total - seen.length)
      await until(() => stream.messages.length >= atLeast, 60_000)
      // What comes with the rest of a packet is read, too.
      seen.push(...stream.events().map((event) => event.subject_id))
      after = stream.lastId()
    }
  }
  await Promise.all([read(), write()])
  const all = Array.from({ length: total }, (_, i) => String(i))
  expect(seen.toSorted()).toEqual(all.toSorted())
})

test('who asks for what is gone is told so, and goes on from the end', async () => {
  const { accountId, key } = await account()
  await tell(accountId, 'campaigns', ['one', 'two', 'three'])
  await until(async () => (await api.ask(key, 'GET', '/v1/events')).json.events.length === 3)
  await system.world.sql('update events.event_positions set dropped_id = 2 where account_id = $1', [
    accountId,
  ])
  for (const after of ['1', '77']) {
    using stream = await open(key, { after })
    await until(() => stream.messages.length === 1)
    expect(stream.messages[0]).toEqual({ id: '3', event: 'reset', data: '{"last_id":"3"}' })
  }
  using kept = await open(key, { after: '2' })
  await until(() => kept.messages.length === 1)
  expect(kept.events()[0].subject_id).toBe('three')
})

test('a key that is withdrawn ends its streams, and no other', async () => {
  const { accountId, key } = await account()
  const { api_key: created, key: text } = (
    await api.ask(key, 'POST', '/v1/api-keys', { name: 'Old', rights: [everyRight] })
  ).json
  using stays = await open(key)
  using ends = await open(text)
  await api.ask(key, 'POST', `/v1/api-keys/${created.id}/withdraw`)
  await ends.ended
  await tell(accountId, 'campaigns', ['one'])
  await until(() => stays.messages.length === 1)
})

test('a reader that takes nothing is cut, and its neighbour gets everything', async () => {
  const { accountId, key } = await account()
  await using own = await openApi(config, {
    scale,
    times: { slowReaderMs: 500, lookAtStreamsEveryMs: 100 },
  })
  using slow = await open(key, {}, own)
  slow.response.pause()
  using other = await open(key, {}, own)
  const padding = 'x'.repeat(20_000)
  const count = 400
  const subjects = Array.from({ length: 20 }, (_, i) => String(i))
  for (let i = 0; i < count; i += 20) await tell(accountId, 'campaigns', subjects, padding)
  await until(() => other.messages.length === count, 30_000)
  await until(async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${own.healthPort}/metrics`)).text()
    return /lockstep_api_streams_ended_total\{[^}]*reason="slow"[^}]*\} 1/.test(metrics)
  })
})

test('a stop ends open streams at once, and an account has its share of them', async () => {
  const { key } = await account()
  const own = await openApi(config, { scale })
  const streams = await Promise.all(Array.from({ length: 500 }, () => open(key, {}, own)))
  expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]))
  using over = await open(key, {}, own)
  expect(over.status).toBe(429)
  const startedAt = performance.now()
  await own[Symbol.asyncDispose]()
  await Promise.all(streams.map(({ ended }) => ended))
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})
