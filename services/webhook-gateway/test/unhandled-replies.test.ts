import { randomUUID } from 'node:crypto'
import { until } from '@lockstep/testing'
import { createTokens } from '@lockstep/whatsapp'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  bodyOf,
  connectNumber,
  message,
  openWorld,
  post,
  startGateway,
  status,
  takeOf,
  untilKnown,
} from './gateway.ts'

/** How far what came for an account's numbers has been heard. */
const stack = new AsyncDisposableStack()
let here: Awaited<ReturnType<typeof openWorld>>
let gateway: Awaited<ReturnType<typeof startGateway>>

beforeAll(async () => {
  here = stack.use(await openWorld())
  gateway = stack.use(await startGateway(here.config))
  await untilKnown(gateway.origin, here.app)
})
afterAll(() => stack.disposeAsync())
beforeEach(() =>
  here.world.sql(`truncate webhook_gateway.webhook_bodies, webhook_gateway.webhook_parts, webhook_gateway.webhook_part_results,
    webhook_gateway.webhook_part_counts, webhook_gateway.feed_open, webhook_gateway.feed_dead`),
)

const lane = 'webhooks.message'
const dayMs = 86_400_000

async function send(text: string, phoneNumberId: string, app = here.app): Promise<number> {
  expect(await post(gateway.origin, app, bodyOf(message(text, phoneNumberId)))).toBe(200)
  const [row] = await here.world.sql<{ ms: number }>(
    'select round(extract(epoch from max(received_at)) * 1000)::float8 as ms from webhook_gateway.webhook_parts where key = $1',
    [phoneNumberId],
  )
  return row!.ms
}

const hear = ({
  phoneNumberId = '1001',
  app = here.app,
  connectedAtMs = Date.now() - 20 * dayMs,
} = {}) =>
  gateway.operator.getUnhandledReplies({ phoneNumberId, appId: app.id, connectedAtMs }, app)

async function settle(phoneNumberId: string, failure?: string): Promise<void> {
  await here.world.sql('update webhook_gateway.feed_open set not_before = null')
  const [entry] = await takeOf(gateway.feed, lane, phoneNumberId)
  const result = failure
    ? { $case: 'failure' as const, failure }
    : { $case: 'outcome' as const, outcome: 'done' }
  await gateway.feed.settle(
    { lane, settlements: [{ id: entry!.id, key: phoneNumberId, result }] },
    {},
  )
}

test('the oldest open part of any of the account’s numbers is told, by the number’s name, until it is settled; others’ are not', async () => {
  expect(await hear()).toEqual({
    oldest: undefined,
    dead: undefined,
    deadParts: 0,
    hasEarlier: false,
  })
  const other = await here.createApp()
  await connectNumber(here.world, other, '6006')
  const first = await send('first', '1002')
  await send('second', '1001')
  expect(await hear()).toMatchObject({
    oldest: { phoneNumberId: '1002', number: '+1', receivedAtMs: first },
    hasEarlier: false,
  })
  expect((await hear({ phoneNumberId: '6006', app: other })).oldest).toBeUndefined()
  await settle('1002')
  expect((await hear()).oldest).toMatchObject({ phoneNumberId: '1001' })
  await settle('1001')
  expect((await hear()).oldest).toBeUndefined()
})

test('a part that was opened late counts from its receipt', async () => {
  await send('new', '1001')
  await here.world.sql(
    "insert into webhook_gateway.feed_open (lane, key, account_id, created_at) values ($1, '1001', $2, now() - interval '1 hour')",
    [lane, here.app.accountId],
  )
  expect((await hear()).oldest!.receivedAtMs).toBeLessThan(Date.now() - 3_000_000)
})

test('a no_connection part counts where its app has the number, whichever of the account’s numbers asks', async () => {
  const left = (key: string, hours: number) =>
    here.world.sql(
      `insert into webhook_gateway.webhook_part_results (part_id, received_at, app_id, lane, key, outcome)
       values ($1::int, now() - $1::int * interval '1 hour', $2, $3, $4, 'no_connection')`,
      [hours, here.app.id, lane, key],
    )
  await left('9999', 3)
  await send('open', '1001')
  await left('1002', 2)
  const { oldest } = await hear()
  expect(oldest).toMatchObject({ phoneNumberId: '1002' })
  expect(oldest!.receivedAtMs).toBeLessThan(Date.now() - 7_000_000)
})

test('dead parts of the account are told with their number until they are dismissed or replayed', async () => {
  for (const text of ['one', 'two']) {
    await send(text, '1001')
    for (const _ of [1, 2, 3]) await settle('1001', 'no')
  }
  const { dead, deadParts, oldest } = await hear({ phoneNumberId: '1002' })
  expect({ dead, deadParts, oldest }).toMatchObject({
    dead: { phoneNumberId: '1001' },
    deadParts: 2,
    oldest: undefined,
  })
  const { entries } = await gateway.feed.listDead({ lane }, {})
  await gateway.feed.dismiss({ lane, ids: [entries[0]!.entry!.id] }, {})
  expect(await hear()).toMatchObject({ deadParts: 1 })
  await gateway.feed.replay({ lane }, {})
  expect(await hear()).toMatchObject({
    dead: undefined,
    deadParts: 0,
    oldest: { phoneNumberId: '1001' },
  })
})

test('what came for a number before it was connected holds it up while it is no_connection and while it is open, and then no longer', async () => {
  await send('STOP', '5005')
  expect((await hear()).oldest).toBeUndefined()
  const connectionId = await connectNumber(here.world, here.app, '5005')
  const connectedAtMs = Date.now() + 1
  const own = () => hear({ phoneNumberId: '5005', connectedAtMs })
  expect(await own()).toMatchObject({ hasEarlier: true })
  expect((await hear({ connectedAtMs })).hasEarlier).toBe(false)
  // Of the account's other numbers, too, once the list of them is read again.
  await until(async () => (await hear()).oldest?.phoneNumberId === '5005')
  await gateway.operator.adoptParts({ connectionId }, here.app)
  expect(await own()).toMatchObject({ hasEarlier: true, oldest: { phoneNumberId: '5005' } })
  await settle('5005')
  expect(await own()).toMatchObject({ hasEarlier: false, oldest: undefined })
})

test('what is no_connection of a number that is connected is adopted when somebody asks, for whoever was to adopt it may be dead', async () => {
  await send('STOP', '1001')
  await here.world.sql('truncate webhook_gateway.feed_open')
  await here.world.sql(
    `insert into webhook_gateway.webhook_part_results (part_id, received_at, app_id, lane, key, outcome)
     select id, received_at, $1, $2, key, 'no_connection' from webhook_gateway.webhook_parts`,
    [here.app.id, lane],
  )
  await here.world.sql("update webhook_gateway.webhook_parts set outcome = 'no_connection'")
  expect((await hear()).oldest).toMatchObject({ phoneNumberId: '1001' })
  await until(
    async () =>
      (await here.world.sql("select from webhook_gateway.feed_open where key = '1001'")).length ===
      1,
  )
})

test('what another tenant’s app signs for a number holds nobody up, nor what came for numbers that the account does not have', async () => {
  const other = await here.createApp()
  await untilKnown(gateway.origin, other)
  await send('not theirs', '1001', other)
  await send('nobody’s', '9999')
  expect(await hear({ connectedAtMs: Date.now() + 1 })).toEqual({
    oldest: undefined,
    dead: undefined,
    deadParts: 0,
    hasEarlier: false,
  })
})

test('a status by which Meta refuses somebody for good counts as what people say does, though it waits with its campaign', async () => {
  const campaignId = randomUUID()
  const tokens = createTokens(here.config.platformKey)
  const token = (phoneNumberId: string) =>
    tokens.issue({ kind: 'c', ownerId: campaignId, attemptId: '1', phoneNumberId })
  const failed = (
    code: unknown,
    errors: unknown = [{ code: 131000 }, { code, title: 'Refused' }],
  ) => {
    const change = status(token('1001'))
    const [its] = (change.value as { statuses: object[] }).statuses
    Object.assign(its!, { status: 'failed', errors })
    return change
  }
  for (const change of [
    status(token('1001')),
    failed(131026),
    failed(131050, 'none'),
    failed(131050, { code: 131050 }),
  ])
    expect(await post(gateway.origin, here.app, bodyOf(change))).toBe(200)
  expect(await takeOf(gateway.feed, 'webhooks.campaign', campaignId)).toHaveLength(4)
  expect((await hear()).oldest).toBeUndefined()

  const named = { phoneNumberId: '', number: `campaign ${campaignId}` }
  for (const code of [131050, '130403']) {
    await here.world.sql('truncate webhook_gateway.feed_open')
    expect(
      await post(
        gateway.origin,
        here.app,
        bodyOf(failed(code), status(token('1001')), message('hello', '1002')),
      ),
    ).toBe(200)
    const entries = await takeOf(gateway.feed, 'webhooks.campaign', campaignId)
    await settle('1002')
    expect(await hear()).toMatchObject({ oldest: named, dead: undefined, hasEarlier: false })
    const settlements = [
      {
        id: entries[0]!.id,
        key: campaignId,
        result: { $case: 'outcome' as const, outcome: 'done' },
      },
    ]
    await gateway.feed.settle({ lane: 'webhooks.campaign', settlements }, {})
    expect((await hear()).oldest).toBeUndefined()
  }

  expect(await post(gateway.origin, here.app, bodyOf(failed(131050)))).toBe(200)
  for (const _ of [1, 2, 3]) {
    await here.world.sql('update webhook_gateway.feed_open set not_before = null')
    const [entry] = await takeOf(gateway.feed, 'webhooks.campaign', campaignId)
    const settlements = [
      { id: entry!.id, key: campaignId, result: { $case: 'failure' as const, failure: 'no' } },
    ]
    await gateway.feed.settle({ lane: 'webhooks.campaign', settlements }, {})
  }
  expect(await hear()).toMatchObject({ dead: named, deadParts: 1 })
  await gateway.feed.replay({ lane: 'webhooks.campaign' }, {})
  expect(await hear()).toMatchObject({ oldest: named, deadParts: 0 })
})
