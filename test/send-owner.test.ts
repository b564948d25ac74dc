import { sendLimits } from '@lockstep/contracts'
import { createLimiter, openRedis, type Redis, untilReady } from '@lockstep/locks'
import { createInFlight, type SendContext, type SendRoute, sendSlice } from '@lockstep/sending'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import {
  classifyGraphError,
  createGraphClient,
  createTokens,
  graphErrors,
} from '@lockstep/whatsapp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openReplies, type Replies } from './fixtures/replies.ts'

/** The outcome table of docs/reference/reliability.md for an owner that is no campaign: replies in rows of their own. */
const scale = 0.1
const stack = new AsyncDisposableStack()
let system: TestSystem
let tenant: Tenant
let redis: Redis
let ctx: SendContext
let route: SendRoute
let replies: Replies
let people: { id: string; phone: string }[]

beforeAll(async () => {
  system = stack.use(await startSystem({ services: ['accounts', 'contacts', 'templates'], scale }))
  tenant = await system.addTenant()
  await system.importContacts(tenant, phones(200))
  people = await system.world.sql('select id, phone from contacts.contacts order by id')
  redis = stack.adopt(openRedis(system.world.redis.url), (client) => client.disconnect())
  await untilReady(redis, 5_000)
  ctx = {
    log: { error: (fields, message) => console.error(message, fields) },
    now: Date.now,
    scale,
    limiter: createLimiter({ redis, scale }),
    graph: stack.use(
      createGraphClient({ baseUrl: system.simulator.url, version: 'v24.0', timeoutMs: 4_000 }),
    ),
    tokens: createTokens(Buffer.alloc(32, 7)),
    peers: system.clients,
    inFlight: stack.use(createInFlight({ maxSockets: 64, maxOfOwner: 32 })),
    closing: new AbortController(),
  }
  const { phoneNumberId, connectionId, accessToken } = tenant
  route = {
    connectionId,
    phoneNumberId,
    access: { token: accessToken, proof: '' },
    perMinute: 60_000,
    perSecond: 1_000,
    class: 'agent',
    category: 'SERVICE',
  }
  replies = stack.use(await openReplies(system, tenant.accountId))
})
afterAll(() => stack.disposeAsync())

const slice = () =>
  sendSlice(ctx, replies.queue, route, {
    sliceMs: 500,
    claimLifeMs: 8_000,
    signal: new AbortController().signal,
  })
const posts = async (phone: string) =>
  (
    await Array.fromAsync(
      system.simulator.client.log({ kind: 'post', phoneNumberId: tenant.phoneNumberId }),
    )
  ).filter((post) => 'recipient' in post && post.recipient === phone)

let used = 0
/** Adds a message to somebody who was never written to, and sends until it has an outcome. */
async function send(): Promise<{
  row: () => Promise<Awaited<ReturnType<Replies['rows']>>[number]>
  phone: string
}> {
  const { id, phone } = people[used++]!
  await replies.add([id])
  const row = async () => (await replies.rows()).find(({ contactId }) => contactId === id)!
  await until(async () => {
    await slice()
    return (await row()).attempts > 0 && (await row()).state !== 'sending'
  })
  return { row, phone }
}

async function untilAccepted(row: () => Promise<{ state: string }>): Promise<void> {
  await until(async () => {
    await slice()
    return (await row()).state === 'accepted'
  })
}

const fail = (code: number) =>
  system.simulator.client.setSettings({ errors: { next: [{ code, count: 1 }] } })
const codesOf = (kind: string) =>
  Object.entries(graphErrors)
    .filter(([, row]) => row.class === kind)
    .map(([code]) => Number(code))

test('accepted: with its wamid, once; later statuses are its facts', async () => {
  const { row, phone } = await send()
  const { state, wamid, attemptId } = await row()
  expect([state, wamid!.slice(0, 6)]).toEqual(['accepted', 'wamid.'])
  await replies.learn(attemptId, { kind: 'read', at: new Date(), wamid: wamid! })
  expect((await row()).state).toBe('read')
  expect(await posts(phone)).toHaveLength(1)
})

test.each(codesOf('rejected'))('code %i: rejected with the words, not sent again', async (code) => {
  await fail(code)
  const { row, phone } = await send()
  await slice()
  expect(await row()).toMatchObject({
    state: 'rejected',
    attempts: 1,
    reason: expect.stringContaining(classifyGraphError(code).message),
  })
  expect(await posts(phone)).toHaveLength(1)
})

test.each(codesOf('stop'))(
  'code %i: back in the queue, the owner stops with the words, and goes on when it may',
  async (code) => {
    await fail(code)
    const { row, phone } = await send()
    expect(await row()).toMatchObject({ state: 'queued', reason: classifyGraphError(code).message })
    expect(replies.stopped()).toBe(classifyGraphError(code).message)
    expect((await slice()).kind).toBe('stopped')
    replies.goOn()
    await untilAccepted(row)
    expect(await posts(phone)).toHaveLength(2)
  },
)

test.each(codesOf('throttle'))(
  'code %i: back in the queue for a while, then sent once',
  async (code) => {
    await fail(code)
    const { row, phone } = await send()
    expect(await row()).toMatchObject({ state: 'queued', reason: classifyGraphError(code).message })
    await redis.del(
      sendLimits.backoff.key(tenant.connectionId),
      sendLimits.pair.key(tenant.connectionId, phone),
    )
    await system.world.sql('update conversations.test_replies set not_before = now()')
    await untilAccepted(row)
    expect(await posts(phone)).toHaveLength(2)
  },
)

test.each(codesOf('unknown'))(
  'code %i: cannot be known, never sent again by itself',
  async (code) => {
    await fail(code)
    const { row, phone } = await send()
    await slice()
    expect(await row()).toMatchObject({ state: 'unknown', attempts: 1 })
    expect(await posts(phone)).toHaveLength(1)
  },
)

test.each(['hang', 'reset', 'bad-gateway', 'unreadable'] as const)(
  'an answer that is spoiled (%s): unknown until its status comes',
  async (kind) => {
    await system.simulator.client.setSettings({ faults: { next: [{ kind, count: 1 }] } })
    const { row, phone } = await send()
    await slice()
    const { state, attemptId, attempts } = await row()
    expect([state, attempts]).toEqual(['unknown', 1])
    await replies.learn(attemptId, { kind: 'delivered', at: new Date(), wamid: 'wamid.status' })
    expect(await row()).toMatchObject({ state: 'delivered', wamid: 'wamid.status' })
    expect(await posts(phone)).toHaveLength(1)
  },
)

test('Meta can not be reached: nobody is claimed, and it is said', async () => {
  await using graph = createGraphClient({
    baseUrl: 'http://127.0.0.1:9',
    version: 'v24.0',
    timeoutMs: 1_000,
  })
  await replies.add([people[used++]!.id])
  const end = await sendSlice({ ...ctx, graph }, replies.queue, route, {
    sliceMs: 300,
    claimLifeMs: 8_000,
    signal: new AbortController().signal,
  })
  expect(end.wait).toMatchObject({ for: 'meta', reason: expect.stringMatching(/can't be reached/) })
  expect((await replies.rows()).at(-1)).toMatchObject({ state: 'queued', attempts: 0 })
})
