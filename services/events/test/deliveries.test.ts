import { type AnswerPost, openWebhookReceiver, type ReceivedPost, until } from '@lockstep/testing'
import { startSystem, type TestSystem } from '@lockstep/testing/system'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** Waits of attempts are a tenth: 0.5 s, 30 s. */
const scale = 0.1
const up = new AsyncDisposableStack()
let system: TestSystem

beforeAll(async () => {
  const environment = { LOCKSTEP_WEBHOOKS_ALLOW_LOCAL: 'true' }
  system = up.use(
    await startSystem({ services: ['accounts', 'campaigns', 'events'], scale, environment }),
  )
})
afterAll(() => up.disposeAsync())

const receiver = async (answer?: AnswerPost) => up.use(await openWebhookReceiver(answer))
const ok: AnswerPost = (_post, response) => void response.end('{}')
const failing: AnswerPost = (_post, response) => void response.writeHead(500).end()

async function account() {
  return { accountId: (await system.clients.accounts.createAccount({ name: 'Acme' }, {})).id }
}
type Account = Awaited<ReturnType<typeof account>>

const create = async (of: Account, url: string) => {
  const request = { url, description: '', topics: ['campaigns', 'webhooks'] }
  const { endpoint, secret } = await system.clients.events.createEndpoint(request, of)
  return { id: endpoint!.id, secret }
}

/** Events in one entry, as campaigns writes it. */
async function tell({ accountId }: Account, subjects: string[]): Promise<void> {
  const events = subjects.map((subjectId) => ({ kind: 'campaign.state', subjectId, body: {} }))
  await system.world.sql(
    `insert into campaigns.feed_open (lane, key, account_id, body)
     values ('events.campaigns', $1::text, $1::text::uuid, convert_to($2, 'UTF8'))`,
    [accountId, JSON.stringify(events)],
  )
}

const deliveries = async (of: Account, endpointId: string, state = '') =>
  (await system.clients.events.listDeliveries({ endpointId, state, limit: 500 }, of)).deliveries

const idsOf = (posts: ReceivedPost[], subject: string) =>
  posts.flatMap(({ event }) => (event.subject_id === subject ? [Number(event.id)] : []))
const sorted = (ids: number[]) => ids.toSorted((a, b) => a - b)

test('each event is posted once, signed, those of one subject in their order, to its own account only', async () => {
  const [mine, other] = [await account(), await account()]
  const hook = await receiver()
  const theirs = await receiver()
  const { secret } = await create(mine, hook.url)
  await create(other, theirs.url)
  const subjects = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']
  for (let i = 0; i < 10; i++) await tell(mine, subjects)
  await until(() => hook.posts.length === 100)
  for (const subject of subjects) {
    const ids = idsOf(hook.posts, subject)
    expect([subject, ids]).toEqual([subject, sorted(ids)])
  }
  expect(new Set(hook.posts.map(({ event }) => event.id)).size).toBe(100)
  for (const { body, headers } of hook.posts) {
    const signed = {
      'webhook-id': headers['webhook-id'] as string,
      'webhook-timestamp': headers['webhook-timestamp'] as string,
      'webhook-signature': headers['webhook-signature'] as string,
    }
    expect(new Webhook(secret).verify(body, signed)).toEqual(JSON.parse(body))
  }
  expect(theirs.posts).toEqual([])
})

test('what fails is tried again with the same id, holds up its own subject only, and is in the log', async () => {
  const mine = await account()
  let isMended = false
  const hook = await receiver((got, response) =>
    got.event.subject_id === 'bad' && !isMended ? failing(got, response) : ok(got, response),
  )
  const { id } = await create(mine, hook.url)
  await tell(mine, ['bad', 'good', 'bad', 'good', 'good'])
  await until(() => idsOf(hook.posts, 'good').length === 3)
  await until(() => idsOf(hook.posts, 'bad').length >= 2)
  expect(new Set(idsOf(hook.posts, 'bad')).size).toBe(1)
  const failed = await until(async () => {
    const pending = await deliveries(mine, id, 'pending')
    return pending.find(({ attempts }) => attempts > 1)
  })
  expect(failed).toMatchObject({ state: 'pending', status: 500, error: 'It was answered 500' })
  isMended = true
  await system.clients.events.enableEndpoint({ id }, mine)
  await until(async () => (await deliveries(mine, id, 'delivered')).length === 5)
  const bad = hook.posts.filter(({ event }) => event.subject_id === 'bad')
  expect(bad.at(-1)!.event.id).not.toBe(bad[0]!.event.id)
  expect(new Set(bad.map(({ headers }) => headers['webhook-id'])).size).toBe(2)
})

test('an endpoint that is slow delays no other, also of its account', async () => {
  const mine = await account()
  const slow = await receiver(() => undefined)
  const quick = await receiver()
  await create(mine, slow.url)
  await create(mine, quick.url)
  for (let i = 0; i < 5; i++) await tell(mine, ['a', 'b', 'c'])
  await until(() => quick.posts.length === 15)
  const subjects = [...new Set(slow.posts.map(({ event }) => event.id))]
  expect(subjects.length).toBeLessThanOrEqual(3)
})

test('who answers 410 is disabled at once with a notice, and so is who has failed for days; enabled, it goes on', async () => {
  const mine = await account()
  const notices = await receiver()
  await create(mine, notices.url)
  let status = 410
  const hook = await receiver((_got, response) => void response.writeHead(status).end())
  const { id } = await create(mine, hook.url)
  const state = () => system.clients.events.getEndpoint({ id }, mine)
  await tell(mine, ['a'])
  await until(async () => !(await state()).enabled)
  expect((await state()).disabledReason).toMatch(/410/)
  const told = () => notices.posts.filter(({ event }) => event.kind === 'webhook.disabled')
  await until(() => told().length === 1)
  expect(told()[0]!.event.subject_id).toBe(id)

  status = 500
  await system.clients.events.enableEndpoint({ id }, mine)
  await until(async () => (await state()).failingSinceMs !== undefined)
  await system.world.sql(
    "update events.webhook_endpoints set failing_since = now() - interval '6 days' where id = $1",
    [id],
  )
  await system.clients.events.enableEndpoint({ id }, mine)
  await until(async () => !(await state()).enabled)
  expect((await state()).disabledReason).toMatch(/5 days/)

  status = 200
  await system.clients.events.enableEndpoint({ id }, mine)
  await until(async () => (await deliveries(mine, id, 'pending')).length === 0)
  expect(await state()).toMatchObject({ enabled: true, disabledReason: '' })
  expect((await state()).failingSinceMs).toBeUndefined()
})

test('a rotated secret signs beside the one before until the overlap is over', async () => {
  const mine = await account()
  const hook = await receiver()
  const { id, secret } = await create(mine, hook.url)
  const rotate = (overlapMs: number) =>
    system.clients.events.rotateEndpointSecret({ id, overlapMs }, mine)
  const lastIsGoodFor = async (key: string) => {
    const result = await system.clients.events.testEndpoint({ id }, mine)
    expect(result).toMatchObject({ delivered: true, status: 200 })
    const { body, headers } = hook.posts.at(-1)!
    try {
      new Webhook(key).verify(body, headers as Record<string, string>)
      return true
    } catch {
      return false
    }
  }
  const { secret: second } = await rotate(60_000)
  expect([await lastIsGoodFor(secret), await lastIsGoodFor(second)]).toEqual([true, true])
  const { secret: third } = await rotate(0)
  expect([await lastIsGoodFor(second), await lastIsGoodFor(third)]).toEqual([false, true])
})

test('events are posted again since a moment, or one by one, also those from before the endpoint', async () => {
  const mine = await account()
  await tell(mine, ['before'])
  await until(async () => (await system.clients.events.getPosition({}, mine)).lastId === '1')
  const hook = await receiver()
  const { id } = await create(mine, hook.url)
  await tell(mine, ['after'])
  await until(() => hook.posts.length === 1)
  await until(async () => (await deliveries(mine, id, 'delivered')).length === 1)
  const replay = (request: object) =>
    system.clients.events.replayEndpoint({ id, deliveryIds: [], ...request }, mine)
  expect(await replay({ fromMs: Date.now() - 3_600_000 })).toEqual({ deliveries: 2 })
  await until(async () => (await deliveries(mine, id, 'delivered')).length === 2)
  expect(await replay({ deliveryIds: ['2'] })).toEqual({ deliveries: 1 })
  await until(() => hook.posts.length === 4)
  const ids = hook.posts.map(({ headers }) => headers['webhook-id'])
  expect(new Set(ids).size).toBe(2)
  expect(hook.posts.at(-1)!.event.subject_id).toBe('after')
})

test('an event that is posted again while a later one of its subject fails comes before it', async () => {
  const mine = await account()
  const answered = Promise.withResolvers<void>()
  const hook = await receiver((post, response) => {
    const isLater = post.event.id === '2'
    if (isLater) void answered.promise.then(() => failing(post, response))
    else if (idsOf(hook.posts, 's').length === 1) ok(post, response)
    else failing(post, response)
  })
  const { id } = await create(mine, hook.url)
  for (const count of [1, 2]) {
    await tell(mine, ['s'])
    await until(() => hook.posts.length === count)
  }
  await system.clients.events.replayEndpoint({ id, deliveryIds: ['1'] }, mine)
  answered.resolve()
  await until(async () =>
    (await deliveries(mine, id, 'pending')).some((each) => each.id === '2' && each.attempts === 1),
  )
  const timed = await system.world.sql(
    'select event_id from events.webhook_deliveries where endpoint_id = $1 and next_at is not null',
    [id],
  )
  expect(timed).toEqual([{ event_id: '1' }])
})

test('an address that is not public is refused when it is named', async () => {
  const mine = await account()
  for (const host of [
    ...['10.0.0.1', '169.254.169.254', '192.168.1.1', '0.0.0.0', '[::ffff:10.0.0.1]'],
    ...['[fe80::1]', '[fd00::1]', '0x0a000001', '167772161', '100.64.0.1'],
  ])
    await expect(create(mine, `https://${host}/`), host).rejects.toMatchObject({
      failure: 'invalid',
    })
  for (const url of [
    'ftp://example.com',
    'https://user:pass@example.com',
    'https://example.com:22',
  ])
    await expect(create(mine, url), url).rejects.toMatchObject({ failure: 'invalid' })
})
