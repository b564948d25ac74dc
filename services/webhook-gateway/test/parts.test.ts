import type { LaneName } from '@lockstep/contracts'
import { createTokens } from '@lockstep/whatsapp'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  bodyOf,
  message,
  openWorld,
  type PartRow,
  post,
  startGateway,
  status,
  storedParts,
  takeOf,
} from './gateway.ts'

let here: Awaited<ReturnType<typeof openWorld>>
let gateway: Awaited<ReturnType<typeof startGateway>>
beforeAll(async () => {
  here = await openWorld()
  gateway = await startGateway(here.config)
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await here[Symbol.asyncDispose]()
})
beforeEach(() =>
  here.world.sql(`truncate webhook_gateway.webhook_bodies, webhook_gateway.webhook_parts, webhook_gateway.webhook_part_results,
    webhook_gateway.webhook_part_counts, webhook_gateway.feed_open, webhook_gateway.feed_dead`),
)

const send = async (...changes: Parameters<typeof bodyOf>) => {
  expect(await post(gateway.origin, here.app, bodyOf(...changes))).toBe(200)
}
const token = (phoneNumberId: string, kind: 'c' | 'm' = 'c', key = here.config.platformKey) =>
  createTokens(key).issue({ kind, ownerId: 'camp1', attemptId: 'att1', phoneNumberId })
const take = (lane: LaneName, key: string) => takeOf(gateway.feed, lane, key)
const contentOf = (entry: { body: Uint8Array } | undefined) =>
  JSON.parse(Buffer.from(entry!.body).toString())
const waiting = (lane: string, key: string, whole: boolean): PartRow => ({
  lane,
  key,
  field: 'messages',
  elements: 1,
  whole,
  outcome: null,
  open: true,
})

test('a body for three lanes becomes three parts, each waiting in its lane with its own elements and the app that signed', async () => {
  const before = Date.now()
  const sent = [message('hello'), status(token('1001'))] as const
  const template = {
    field: 'message_template_status_update',
    value: { event: 'APPROVED', message_template_id: 'ID' },
  }
  const raw = bodyOf(...sent, template).replace('"ID"', '12345678901234567890')
  expect(await post(gateway.origin, here.app, raw)).toBe(200)

  expect(await storedParts(here.world)).toEqual([
    waiting('webhooks.message', '1001', false),
    waiting('webhooks.campaign', 'camp1', false),
    { ...waiting('webhooks.template', 'waba1', false), field: 'message_template_status_update' },
  ])
  const [inbound] = await take('webhooks.message', '1001')
  expect(contentOf(inbound).entry[0].changes).toEqual([sent[0]])
  expect(inbound).toMatchObject({ appId: here.app.id, accountId: here.app.accountId, attempts: 0 })
  expect(inbound!.asOfMs).toBeGreaterThanOrEqual(before)
  expect(inbound!.asOfMs).toBeLessThanOrEqual(Date.now())
  const [campaign] = await take('webhooks.campaign', 'camp1')
  expect(contentOf(campaign).entry[0].changes).toEqual([sent[1]])
  const [templates] = await take('webhooks.template', 'waba1')
  expect(Buffer.from(templates!.body).toString()).toContain(
    '"message_template_id":12345678901234567890',
  )
})

test('a part that is the entire body is stored once, and taken as it was received', async () => {
  const raw = bodyOf(message('only one'))
  expect(await post(gateway.origin, here.app, raw)).toBe(200)
  expect(await storedParts(here.world)).toEqual([waiting('webhooks.message', '1001', true)])
  const [entry] = await take('webhooks.message', '1001')
  expect(Buffer.from(entry!.body).toString()).toBe(raw)
})

test('a status goes to a campaign only with a token that we issued for its number; any other waits with its number', async () => {
  await send(status(token('1001')))
  await send(status(token('1001', 'm')))
  await send(status(token('1001', 'c', Buffer.alloc(32, 1))))
  await send(status(token('2002')))
  await send(status(token('1001').replace('camp1', 'camp2')))
  await send(status('lk1.c.camp1.att1.000000000000'))
  const keys = (await storedParts(here.world)).map(({ lane, key }) => `${lane} ${key}`)
  expect(keys).toEqual(['webhooks.campaign camp1', ...Array(5).fill('webhooks.message 1001')])
})

test('a field that nobody acts on is kept with its outcome, and waits nowhere', async () => {
  await send({ field: 'tracking_events', value: { anything: 1 } }, message('beside it'))
  expect(await storedParts(here.world)).toEqual([
    {
      lane: null,
      key: null,
      field: 'tracking_events',
      elements: 1,
      whole: false,
      outcome: 'unknown_field',
      open: false,
    },
    waiting('webhooks.message', '1001', false),
  ])
  expect(
    await gateway.metric('lockstep_webhook_parts_total', {
      outcome: 'unknown_field',
      field: 'other',
    }),
  ).toBe(1)
  expect(
    await gateway.metric('lockstep_webhook_elements_total', { field: 'messages' }),
  ).toBeGreaterThan(0)
  const { parts } = await gateway.operator.listParts({ outcome: 'unknown_field' }, {})
  expect(parts).toMatchObject([{ field: 'tracking_events', appId: here.app.id, lane: '' }])
})

test('elements of a field that is known, in a shape that is not, are unreadable, and what stands beside them waits in its lane', async () => {
  const { field, value } = message('beside it')
  const list = (value as { messages: object[] }).messages
  await send({ field, value: { ...value, messages: { a: 1 } } })
  await send({ field, value: { ...value, messages: [null, ...list] } })
  await send({ field, value: { messages: list } })
  await send({ field: 'message_template_status_update', value: {} })
  const found = (await storedParts(here.world)).map(({ lane, field, outcome }) => [
    lane,
    field,
    outcome,
  ])
  expect(found).toEqual([
    [null, 'messages', 'unreadable'],
    [null, 'messages', 'unreadable'],
    ['webhooks.message', 'messages', null],
    [null, 'messages', 'unreadable'],
    ['webhooks.template', 'message_template_status_update', null],
  ])
  const { parts } = await gateway.operator.listParts({ outcome: 'unreadable' }, {})
  expect(parts.map(({ reason }) => reason).sort()).toEqual([
    'It has no usable phone number id',
    'Its elements are not in a list',
    'The element is not an object',
  ])
})

test('U+0000 inside a body, a field or an id refuses nobody', async () => {
  const raw = bodyOf(
    message('a\u0000b'),
    message('c', '10\u000001'),
    { field: 'x\u0000y', value: {} },
    status('lk1.c.\u0000.a.0123456789ab'),
  )
  expect(raw).toContain('\\u0000')
  expect(await post(gateway.origin, here.app, raw)).toBe(200)
  expect(await post(gateway.origin, here.app, Buffer.from([0]))).toBe(200)
  const rows = await here.world.sql<{ raw: Buffer }>(
    'select raw from webhook_gateway.webhook_bodies order by id',
  )
  expect(rows.map((row) => row.raw.toString())).toEqual([raw, '\u0000'])
  const entries = await take('webhooks.message', '1001')
  expect(entries.map((entry) => Buffer.from(entry.body).toString()).join()).toContain('a\\u0000b')
})

test('entries of one number are taken in the order in which their webhooks came', async () => {
  for (let i = 0; i < 20; i++) await send(message(`text ${i}`))
  const texts = (await take('webhooks.message', '1001')).map(
    (entry) => contentOf(entry).entry[0].changes[0].value.messages[0].text.body,
  )
  expect(texts).toEqual(Array.from({ length: 20 }, (_, i) => `text ${i}`))
})

test('an outcome is noted on the part when its entry is finished; finishing it again, or by another lane, changes nothing', async () => {
  await send(message('one'))
  await send(message('two'))
  const [one, two] = await take('webhooks.message', '1001')
  const finish = (lane: LaneName, id: string, outcome: string) =>
    gateway.feed.settle(
      { lane, settlements: [{ id, key: '1001', result: { $case: 'outcome', outcome } }] },
      {},
    )
  await finish('webhooks.campaign', one!.id, 'done')
  expect(await take('webhooks.message', '1001')).toHaveLength(2)
  expect((await storedParts(here.world)).map(({ outcome }) => outcome)).toEqual([null, null])
  await finish('webhooks.message', one!.id, 'wrong_app')
  await finish('webhooks.message', one!.id, 'done')
  await finish('webhooks.message', two!.id, 'done')
  const outcomes = (await storedParts(here.world)).map(({ outcome, open }) => [outcome, open])
  expect(outcomes).toEqual([
    ['wrong_app', false],
    ['done', false],
  ])
  const { counts } = await gateway.operator.countParts({}, {})
  expect(counts).toEqual([
    { outcome: 'done', field: 'messages', parts: 1, elements: 1 },
    { outcome: 'wrong_app', field: 'messages', parts: 1, elements: 1 },
  ])
  expect((await gateway.operator.listParts({}, {})).parts.map((part) => part.outcome)).toEqual([
    'wrong_app',
  ])
})

async function fail(): Promise<void> {
  await here.world.sql('update webhook_gateway.feed_open set not_before = null')
  const [entry] = await take('webhooks.message', '1001')
  const result = { $case: 'failure' as const, failure: 'no such row' }
  await gateway.feed.settle(
    { lane: 'webhooks.message', settlements: [{ id: entry!.id, key: '1001', result }] },
    {},
  )
}
const state = async () =>
  (await storedParts(here.world)).map(({ outcome, open }) => [outcome, open])

test('a part is dead after three failed tries, with the reason, and open again once it is replayed', async () => {
  await send(message('poison'))
  await fail()
  await fail()
  expect(await state()).toEqual([[null, true]])
  await fail()
  expect(await state()).toEqual([['dead', false]])
  expect((await gateway.operator.listParts({ outcome: 'dead' }, {})).parts).toMatchObject([
    { reason: 'no such row' },
  ])
  expect((await gateway.feed.listDead({ lane: 'webhooks.message' }, {})).entries).toMatchObject([
    { reason: 'no such row', entry: { key: '1001' } },
  ])

  expect(await gateway.feed.replay({ lane: 'webhooks.message' }, {})).toEqual({ replayed: 1 })
  expect(await state()).toEqual([[null, true]])
  expect(await take('webhooks.message', '1001')).toMatchObject([{ attempts: 0 }])
})

test('a dead part that a person dismisses is gone from the dead, keeps its reason, and has no effect; only those named are', async () => {
  await send(message('poison'))
  for (const _ of [1, 2, 3]) await fail()
  const lane = 'webhooks.message'
  const [dead] = (await gateway.feed.listDead({ lane }, {})).entries
  await expect(gateway.feed.dismiss({ lane, ids: [] }, {})).rejects.toMatchObject({
    failure: 'invalid',
  })
  expect(
    await gateway.feed.dismiss({ lane: 'webhooks.campaign', ids: [dead!.entry!.id] }, {}),
  ).toEqual({ dismissed: 0 })
  expect(await state()).toEqual([['dead', false]])

  expect(await gateway.feed.dismiss({ lane, ids: [dead!.entry!.id] }, {})).toEqual({ dismissed: 1 })
  expect(await gateway.feed.dismiss({ lane, ids: [dead!.entry!.id] }, {})).toEqual({ dismissed: 0 })
  expect(await state()).toEqual([['dismissed', false]])
  expect((await gateway.feed.listDead({ lane }, {})).entries).toEqual([])
  expect((await gateway.operator.listParts({ outcome: 'dismissed' }, {})).parts).toMatchObject([
    { reason: 'no such row' },
  ])
  expect((await gateway.operator.countParts({}, {})).counts).toEqual([
    { outcome: 'dismissed', field: 'messages', parts: 1, elements: 1 },
  ])
  expect(await gateway.feed.replay({ lane }, {})).toEqual({ replayed: 0 })
})

test('no index of today’s parts holds what an outcome changes, so that they are written in place', async () => {
  const indexed = await here.world.sql<{ index: string; columns: string[] }>(
    `select i.indexrelid::regclass::text as index, array_agg(a.attname::text) as columns
     from pg_index i join pg_inherits h on h.inhrelid = i.indrelid and h.inhparent = 'webhook_gateway.webhook_parts'::regclass
     join pg_attribute a on a.attrelid = i.indrelid
       and (a.attnum = any(i.indkey) or pg_get_expr(i.indpred, i.indrelid) ~ ('\\m' || a.attname || '\\M'))
     group by 1`,
  )
  expect(indexed.length).toBeGreaterThan(8)
  const changed = ['outcome', 'reason', 'outcome_at', 'adopted_at']
  expect(
    indexed.filter(({ columns }) => columns.some((column) => changed.includes(column))),
  ).toEqual([])
})
