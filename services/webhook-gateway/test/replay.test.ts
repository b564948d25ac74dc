import type { Entry } from '@lockstep/rpc/gen/feed'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  bodyOf,
  connectNumber,
  message,
  openWorld,
  post,
  startGateway,
  storedBodies,
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
beforeEach(async () => {
  await here.world.sql(`truncate webhook_gateway.webhook_bodies, webhook_gateway.webhook_parts, webhook_gateway.webhook_part_results,
    webhook_gateway.webhook_part_counts, webhook_gateway.feed_open, webhook_gateway.feed_dead`)
})

const lane = 'webhooks.message'
const send = async (...changes: Parameters<typeof bodyOf>) =>
  expect(await post(gateway.origin, here.app, bodyOf(...changes))).toBe(200)

async function take(key: string): Promise<Entry[]> {
  return takeOf(gateway.feed, lane, key)
}
async function finish(key: string, outcome: string, entries?: Entry[]): Promise<void> {
  const settlements = (entries ?? (await take(key))).map(({ id }) => ({
    id,
    key,
    result: { $case: 'outcome' as const, outcome },
  }))
  await gateway.feed.settle({ lane, settlements }, {})
}
const states = async () =>
  (await storedParts(here.world)).map(({ key, outcome, open }) => [key, outcome, open])

test('a body is split anew: its parts wait again, once each, whatever became of the old ones', async () => {
  await send(message('one', '1001'), message('two', '1002'))
  await finish('1001', 'done')
  const [before] = await take('1002')
  const bodyId = (await gateway.operator.listParts({ outcome: 'open' }, {})).parts[0]!.bodyId
  const stored = await storedBodies(here.world)
  expect(await gateway.operator.replayWebhooks({ bodyIds: [bodyId] }, {})).toMatchObject({
    bodies: 1,
    parts: 2,
  })
  expect(await states()).toEqual([
    ['1001', null, true],
    ['1002', null, true],
  ])
  expect(await storedBodies(here.world)).toEqual(stored)
  const [after] = await take('1002')
  expect({ ...after, id: '', rowId: '' }).toEqual({ ...before, id: '', rowId: '' })
})

test('a worker that had taken an entry before the replay settles nothing by it', async () => {
  await send(message('one'))
  const taken = await take('1001')
  await gateway.operator.replayWebhooks({ key: '1001' }, {})
  await finish('1001', 'done', taken)
  expect(await states()).toEqual([['1001', null, true]])
  await finish('1001', 'done')
  expect(await states()).toEqual([['1001', 'done', false]])
})

test('what an older splitter could not place is placed by that of today', async () => {
  await send(message('one'))
  await here.world.sql('delete from webhook_gateway.feed_open')
  await here.world.sql(
    `update webhook_gateway.webhook_parts set lane = null, key = null, outcome = 'unknown_field', outcome_at = now()`,
  )
  await here.world.sql(`insert into webhook_gateway.webhook_part_results (part_id, received_at, app_id, outcome)
    select id, received_at, app_id, outcome from webhook_gateway.webhook_parts`)
  await gateway.operator.replayWebhooks({ outcome: 'unknown_field' }, {})
  expect(await states()).toEqual([['1001', null, true]])
})

test('a time, a key and an outcome narrow a replay down; one that names nothing is refused', async () => {
  await send(message('one', '1001'))
  await send(message('two', '1002'))
  await finish('1001', 'done')
  await finish('1002', 'no_action')
  const now = Date.now()
  const replay = async (what: object) => (await gateway.operator.replayWebhooks(what, {})).bodies
  expect(await replay({ sinceMs: now + 60_000 })).toBe(0)
  expect(await replay({ untilMs: now - 60_000 })).toBe(0)
  expect(await replay({ key: '1001', outcome: 'no_action' })).toBe(0)
  expect(await states()).toEqual([
    ['1001', 'done', false],
    ['1002', 'no_action', false],
  ])
  expect(await replay({ sinceMs: now - 60_000, untilMs: now + 60_000, outcome: 'no_action' })).toBe(
    1,
  )
  expect(await states()).toEqual([
    ['1001', 'done', false],
    ['1002', null, true],
  ])
  await expect(gateway.operator.replayWebhooks({}, {})).rejects.toMatchObject({
    failure: 'invalid',
  })
  await expect(gateway.operator.replayWebhooks({ partIds: ['1; drop'] }, {})).rejects.toMatchObject(
    { failure: 'invalid' },
  )
})

test('a long replay goes on batch by batch and meets every body once', async () => {
  const text = 'x'.repeat(2_900_000) // three of them are a batch
  for (let i = 0; i < 7; i++) await send(message(`${i} ${text}`))
  const answers = []
  for (let beforePartId = ''; ; ) {
    const answer = await gateway.operator.replayWebhooks({ key: '1001', beforePartId }, {})
    if (answer.bodies === 0) break
    answers.push(answer.bodies)
    beforePartId = answer.beforePartId
  }
  expect(answers.length).toBeGreaterThan(1)
  expect(answers.reduce((a, b) => a + b)).toBe(7)
  expect(await states()).toEqual(Array(7).fill(['1001', null, true]))
}, 60_000)

test('two replays of the same bodies at the same time leave each part once', async () => {
  for (let i = 0; i < 20; i++) await send(message(`${i}`, String(1001 + (i % 3))))
  await finish('1001', 'done')
  const sinceMs = Date.now() - 60_000
  await Promise.all(
    Array.from({ length: 4 }, () => gateway.operator.replayWebhooks({ sinceMs }, {})),
  )
  const all = await storedParts(here.world)
  expect(all).toHaveLength(20)
  expect(all.every((part) => part.open && part.outcome === null)).toBe(true)
  const [row] = await here.world.sql<{ n: number }>(
    'select count(*)::int as n from webhook_gateway.feed_open',
  )
  expect(row!.n).toBe(20)
})

/** A connection made this moment; the gateway hears of it by the adoption only. */
const connectNow = (phoneNumberId: string) =>
  connectNumber(here.world, here.app, phoneNumberId, { sinceMs: Date.now() })

test("parts that came before their connection wait for it once it adopts them; another app's, and another number's, stay", async () => {
  const other = await here.createApp()
  await send(message('ours', '2001'))
  expect(await post(gateway.origin, other, bodyOf(message("another app's", '2001')))).toBe(200)
  await send(message('of another number', '2002'))
  const receivedAtMs = Date.now()
  expect(await states()).toEqual([
    ['2001', 'no_connection', false],
    ['2001', 'no_connection', false],
    ['2002', 'no_connection', false],
  ])
  const connectionId = await connectNow('2001')
  const adopt = (accountId: string) => gateway.operator.adoptParts({ connectionId }, { accountId })

  await expect(adopt(other.accountId)).rejects.toMatchObject({ failure: 'not_found' })
  // The gateway may have seen the new number by itself, a moment before.
  expect((await adopt(here.app.accountId)).adopted).toBeLessThanOrEqual(1)
  await until(async () => (await states())[0]![1] === null)
  expect(await states()).toEqual([
    ['2001', null, true],
    ['2001', 'no_connection', false],
    ['2002', 'no_connection', false],
  ])
  // Whose they are is asked as of the adoption, also after a replay.
  const [entry] = await take('2001')
  expect(entry).toMatchObject({ appId: here.app.id })
  expect(entry!.asOfMs).toBeGreaterThan(receivedAtMs)
  await gateway.operator.replayWebhooks({ key: '2001' }, {})
  const again = (await take('2001')).find(({ appId }) => appId === here.app.id)
  expect(again!.asOfMs).toBe(entry!.asOfMs)
})

test('a connection that has ended adopts nothing', async () => {
  await send(message('late', '2003'))
  const connectionId = await connectNumber(here.world, here.app, '2003', {
    sinceMs: Date.now() - 1,
    untilMs: Date.now(),
  })
  await expect(gateway.operator.adoptParts({ connectionId }, here.app)).rejects.toMatchObject({
    failure: 'precondition',
  })
  expect(await states()).toEqual([['2003', 'no_connection', false]])
})

test("connecting by another app adopts what the account's app before signed while nobody had the number, and not what came while another had", async () => {
  const sent = async (text: string) => {
    const sinceMs = Date.now()
    await send(message(text, '2005'))
    await until(() => Date.now() > sinceMs + 5)
    return { sinceMs, untilMs: Date.now() }
  }
  const nobody = await sent('while nobody had it')
  const stranger = await sent("while it was a stranger's")
  const id = await connectNumber(here.world, here.app, '2005', {
    sinceMs: nobody.sinceMs - 1_000,
    untilMs: nobody.sinceMs,
  })
  await connectNumber(here.world, await here.createApp(), '2005', stranger)
  const { id: appId } = await here.accounts.createApp(
    { name: 'B', metaAppId: '2', secret: 's', verifyToken: 'v' },
    here.app,
  )
  await here.world.sql(
    `with c as (update accounts.connections set app_id = $2, connected_at = now(), disconnected_at = null where id = $1 returning *)
     insert into accounts.connection_intervals (connection_id, account_id, phone_number_id, app_id, waba_id, connected_at)
     select id, account_id, phone_number_id, app_id, waba_id, connected_at from c`,
    [id, appId],
  )
  expect(await gateway.operator.adoptParts({ connectionId: id }, here.app)).toEqual({ adopted: 1 })
  expect(await states()).toEqual([
    ['2005', null, true],
    ['2005', 'wrong_app', false],
  ])
  expect(await take('2005')).toMatchObject([{ appId: here.app.id, asOfMs: nobody.sinceMs - 1 }])
})
