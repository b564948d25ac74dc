import type { EventContent } from '@lockstep/contracts'
import { openContext } from '@lockstep/service'
import { configIn, startSystem, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { recordToken } from '../src/connections/record-token.ts'
import type { Context } from '../src/context.ts'
import { watchTokens } from '../src/jobs/watch-tokens.ts'
import { accountsService } from '../src/service.ts'

/** Access tokens are asked about again and again; what becomes of one is told once. */
const stack = new AsyncDisposableStack()
const day = 86_400_000
let system: TestSystem
let ctx: Context
let away: Context
let account: { accountId: string }
let appId: string

beforeAll(async () => {
  // The service's own job runs once, at its start.
  system = stack.use(await startSystem({ services: ['accounts'], scale: 1 }))
  const config = configIn(system.world, accountsService)
  const graphUrl = system.simulator.url
  ctx = stack.use(await openContext<Context>(accountsService, { ...config, graphUrl }))
  const nowhere = { ...config, graphUrl: 'http://127.0.0.1:9' }
  away = stack.use(await openContext<Context>(accountsService, nowhere))
  const { accounts } = system.clients
  account = { accountId: (await accounts.createAccount({ name: 'Acme' }, {})).id }
  await system.simulator.client.setState({ apps: [{ id: '71', secret: 'secret' }] })
  const app = { name: 'App', metaAppId: '71', secret: 'secret', verifyToken: 'v' }
  appId = (await accounts.createApp(app, account)).id
})
afterAll(() => stack.disposeAsync())
beforeEach(() => system.world.sql('delete from accounts.feed_open'))

let numbers = 7_000

/** A connected number; `tell` changes what Meta says of its token. */
async function connect(token = `token-${numbers + 1}`) {
  const id = String(++numbers)
  const number = { id, wabaId: '2000', displayPhoneNumber: '+1 555', token, appId: '71' }
  const tell = (more: object) =>
    system.simulator.client.setState({ numbers: [{ ...number, ...more }] })
  await tell({})
  const asked = { name: 'N', phoneNumberId: id, wabaId: '2000', appId, accessToken: token }
  const connection = await system.clients.accounts.createConnection(asked, account)
  return { id: connection.id, tell }
}

const show = (id: string) => system.clients.accounts.getConnection({ id }, account)

/** Its time has come, as after six hours. */
const makeDue = (...ids: string[]) =>
  system.world.sql(
    "update accounts.connections set token_check_due_at = now() - interval '1 second' where id = any($1)",
    [ids],
  )

const eventsOf = async (id: string) =>
  (
    await system.world.sql<{ event: string; summary: string }>(
      "select event, summary from accounts.account_events where field = 'access_token' and value->>'connection_id' = $1 order by id",
      [id],
    )
  ).map(({ event, summary }) => ({ event, summary }))

/** What those who follow the account are told of it. */
const toldOf = async (id: string) => {
  const rows = await system.world.sql<{ body: Buffer }>(
    "select body from accounts.feed_open where lane = 'events.accounts' order by id",
  )
  const all = rows.flatMap(({ body }) => JSON.parse(body.toString()) as EventContent[])
  return all.filter(({ subjectId }) => subjectId === id).map(({ kind }) => kind)
}

test('a token that Meta takes no longer disables its number, in words, until Meta takes one again; each is told once', async () => {
  const { id, tell } = await connect()
  expect(await show(id)).toMatchObject({ tokenHealth: 'ok', tokenCheckedAtMs: expect.any(Number) })
  await system.world.sql('delete from accounts.feed_open')
  await tell({ tokenRevoked: true })
  await watchTokens(ctx)
  expect(await show(id), 'its time has not come').toMatchObject({ health: 'ok' })
  for (let again = 0; again < 2; again++) {
    await makeDue(id)
    await watchTokens(ctx)
    expect(await show(id)).toMatchObject({
      tokenHealth: 'invalid',
      health: 'disabled',
      healthReason: expect.stringMatching(/session has been invalidated.*Replace it \(PUT/),
    })
    expect(await eventsOf(id)).toEqual([
      { event: 'INVALID', summary: expect.stringContaining('+1 555: Meta does not take') },
    ])
    expect(await toldOf(id)).toEqual(['connection.token', 'connection.health'])
  }
  await tell({})
  await makeDue(id)
  await watchTokens(ctx)
  expect(await show(id)).toMatchObject({ tokenHealth: 'ok', health: 'ok', healthReason: '' })
  expect((await eventsOf(id)).map(({ event }) => event)).toEqual(['INVALID', 'OK'])
})

test('an end that comes near is told at 14 and 3 days, and when it is there', async () => {
  const { id, tell } = await connect()
  const tellDays = async (days: number) => {
    await tell({ tokenExpiresAtMs: Math.floor((Date.now() + days * day) / 1_000) * 1_000 })
    await makeDue(id)
    await watchTokens(ctx)
  }
  await tellDays(20)
  expect(await eventsOf(id)).toEqual([])
  await tellDays(10)
  await makeDue(id)
  await watchTokens(ctx)
  expect(await show(id)).toMatchObject({
    ...{ tokenHealth: 'expiring', health: 'ok' },
    warnings: [expect.stringMatching(/expires on .*Replace it before/)],
  })
  expect((await eventsOf(id)).map(({ event }) => event)).toEqual(['EXPIRING'])
  await tellDays(2)
  expect((await eventsOf(id)).map(({ event }) => event)).toEqual(['EXPIRING', 'EXPIRING'])
  await tellDays(-1)
  expect(await show(id)).toMatchObject({ tokenHealth: 'expired', health: 'disabled' })
  expect((await eventsOf(id)).at(-1)).toMatchObject({ event: 'EXPIRED' })
})

test('the end of what a token may read counts, too, and so does a permission that is gone', async () => {
  const [reading, sending] = [await connect(), await connect()]
  await reading.tell({ dataAccessExpiresAtMs: Date.now() + 2 * day })
  await sending.tell({ scopes: ['whatsapp_business_management'] })
  await makeDue(reading.id, sending.id)
  await watchTokens(ctx)
  expect(await show(reading.id)).toMatchObject({
    tokenHealth: 'expiring',
    dataAccessExpiresAtMs: expect.any(Number),
    warnings: [expect.stringContaining("The access token's right to read data expires on")],
  })
  expect(await show(sending.id)).toMatchObject({
    tokenHealth: 'invalid',
    healthReason: expect.stringContaining('lost the permission whatsapp_business_messaging'),
  })
})

test('while Meta is away nothing changes, and who is asked about comes again soon', async () => {
  const { id, tell } = await connect()
  const before = await show(id)
  await tell({ tokenRevoked: true })
  await makeDue(id)
  await watchTokens(away)
  expect(await show(id)).toEqual(before)
  expect(await eventsOf(id)).toEqual([])
  const [row] = await system.world.sql<{ soon: boolean }>(
    "select token_check_due_at between now() and now() + interval '11 minutes' as soon from accounts.connections where id = $1",
    [id],
  )
  expect(row).toEqual({ soon: true })
  await makeDue(id)
  await watchTokens(ctx)
  expect(await show(id)).toMatchObject({ tokenHealth: 'invalid' })
})

test('more numbers than a page are all looked at, by two processes at once, and each is told once', async () => {
  const all: Awaited<ReturnType<typeof connect>>[] = []
  for (let i = 0; i < 25; i++) all.push(await connect('shared'))
  for (const { tell } of all) await tell({ tokenExpiresAtMs: Date.now() + day / 2 })
  const ids = all.map(({ id }) => id)
  await makeDue(...ids)
  await Promise.all([watchTokens(ctx), watchTokens(ctx)])
  const told = await Promise.all(ids.map(eventsOf))
  expect(told.map((events) => events.length)).toEqual(ids.map(() => 1))
})

test('what Meta said of the token before changes nothing of the one that took its place', async () => {
  const { id } = await connect()
  const before = await show(id)
  const said = {
    ...{ isValid: false, problem: 'Gone.', metaAppId: '71', scopes: [] },
    ...{ expiresAtMs: null, dataAccessExpiresAtMs: null },
  }
  const another = { id, ...account, sealedToken: Buffer.from('another') }
  await recordToken(ctx, another, said)
  expect(await show(id)).toEqual(before)
  await recordToken(ctx, { ...another, sealedToken: before.sealedToken }, said)
  expect(await show(id)).toMatchObject({ tokenHealth: 'invalid' })
})

test('the figures name the end that comes first and how many tokens are taken no longer', async () => {
  const { id, tell } = await connect()
  const figures = async () => {
    const text = await ctx.telemetry.metricsText()
    const of = (name: string) => Number(text.match(new RegExp(`^${name}\\S* (\\S+)$`, 'm'))?.[1])
    return {
      soonest: of('lockstep_token_soonest_end_seconds'),
      invalid: of('lockstep_tokens_invalid'),
    }
  }
  const before = await figures()
  await tell({ tokenRevoked: true, tokenExpiresAtMs: Date.now() + 3_600_000 })
  await makeDue(id)
  await watchTokens(ctx)
  const after = await figures()
  expect(after.invalid).toBe(before.invalid + 1)
  expect(after.soonest).toBeLessThanOrEqual(3_600)
})
