import { events, secretPlaces } from '@lockstep/contracts'
import { createSecrets, openContext } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { configIn, startSystem, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { accountsService } from '../src/service.ts'

/** A number is one connection of its account, by whatever app, WABA and token it is connected. */
let system: TestSystem
let accounts: TestSystem['clients']['accounts']

beforeAll(async () => {
  system = await startSystem({ services: ['accounts'], scale: 0.05 })
  accounts = system.clients.accounts
})
afterAll(() => system[Symbol.asyncDispose]())

let numbers = 1_000
const newNumber = () => String(++numbers)

interface Tenant {
  accountId: string
  appId: string
}

async function tenant(): Promise<Tenant> {
  const { id: accountId } = await accounts.createAccount({ name: 'Tenant' }, {})
  return { accountId, appId: await newApp(accountId) }
}

async function newApp(accountId: string): Promise<string> {
  return (
    await accounts.createApp(
      { name: 'App', metaAppId: '1', secret: 'secret', verifyToken: 'v' },
      { accountId },
    )
  ).id
}

/** What Meta knows of a number from now on. */
const atMeta = (
  id: string,
  given: { wabaId?: string; token?: string; throughputLevel?: 'STANDARD' | 'HIGH' } = {},
) =>
  system.simulator.client.setState({
    numbers: [{ wabaId: '2000', token: 'token', displayPhoneNumber: `+1 555 ${id}`, ...given, id }],
  })

const connectNumber = (
  of: Tenant,
  phoneNumberId: string,
  { wabaId = '2000', accessToken = 'token', name = 'Number' } = {},
) => accounts.createConnection({ name, phoneNumberId, wabaId, appId: of.appId, accessToken }, of)

async function ownersAt(phoneNumberId: string, atMs: number) {
  const { intervals } = await accounts.resolveConnections(
    { phoneNumberIds: [phoneNumberId], fromMs: atMs, untilMs: atMs },
    {},
  )
  return intervals.map(({ id, appId, wabaId }) => ({ id, appId, wabaId }))
}

const opened = (id: string, accountId: string, sealed: Uint8Array) =>
  createSecrets(system.world.encryptionKey).open(sealed, secretPlaces.connection(id, accountId))

test('a number that its account connects again is the connection that it was, by whatever app, WABA and token', async () => {
  const owner = await tenant()
  const number = newNumber()
  await atMeta(number, { throughputLevel: 'HIGH' })
  const first = await connectNumber(owner, number)
  await accounts.setConnectionLimits({ id: first.id, perMinute: 600, perSecond: 200 }, owner)
  const { disconnectedAtMs } = await accounts.disconnect({ id: first.id }, owner)
  await atMeta(number, { wabaId: '2001', token: 'another', throughputLevel: 'STANDARD' })
  const other = { ...owner, appId: await newApp(owner.accountId) }
  const again = await connectNumber(other, number, {
    wabaId: '2001',
    accessToken: 'another',
    name: '',
  })
  // Its limits stay, within what Meta allows the number now.
  expect(again).toMatchObject({
    id: first.id,
    name: 'Number',
    perMinute: 600,
    perSecond: 80,
    appId: other.appId,
    wabaId: '2001',
  })
  expect(again.connectedAtMs).toBeGreaterThanOrEqual(disconnectedAtMs!)
  expect(again.disconnectedAtMs).toBeUndefined()
  expect(opened(again.id, owner.accountId, again.sealedToken)).toBe('another')
  const sealedAppSecret = expect.any(Uint8Array)
  expect(await accounts.getConnection({ id: first.id }, owner)).toEqual({
    ...again,
    sealedAppSecret,
  })
  expect((await accounts.listConnections({}, owner)).connections).toHaveLength(1)
  expect(await ownersAt(number, first.connectedAtMs)).toEqual([
    { id: first.id, appId: owner.appId, wabaId: '2000' },
  ])
  expect(await ownersAt(number, again.connectedAtMs)).toEqual([
    { id: first.id, appId: other.appId, wabaId: '2001' },
  ])
})

test('a WABA is resolved to whom it belonged, also after its number has left it', async () => {
  const owner = await tenant()
  const number = newNumber()
  await atMeta(number, { wabaId: '3000' })
  const first = await connectNumber(owner, number, { wabaId: '3000' })
  await accounts.disconnect({ id: first.id }, owner)
  await atMeta(number, { wabaId: '3001' })
  const again = await connectNumber(owner, number, { wabaId: '3001' })
  const owners = async (wabaId: string, atMs: number) =>
    (
      await accounts.resolveConnections({ wabaIds: [wabaId], fromMs: atMs, untilMs: atMs }, {})
    ).intervals.map(({ id }) => id)
  expect(await owners('3000', first.connectedAtMs)).toEqual([first.id])
  expect(await owners('3000', again.connectedAtMs)).toEqual([])
  expect(await owners('3001', again.connectedAtMs)).toEqual([first.id])
})

test('a number that moves to another account takes nothing along, and is its first connection again when it comes back', async () => {
  const [one, other] = [await tenant(), await tenant()]
  const number = newNumber()
  await atMeta(number)
  const first = await connectNumber(one, number)
  await accounts.setConnectionLimits({ id: first.id, perMinute: 4_000, perSecond: 50 }, one)
  await expect(connectNumber(other, number)).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringMatching(/connected already/),
  })
  await accounts.disconnect({ id: first.id }, one)
  const moved = await connectNumber(other, number)
  expect(moved.id).not.toBe(first.id)
  expect(moved).toMatchObject({ perMinute: 100, accountId: other.accountId })
  await expect(connectNumber(one, number)).rejects.toMatchObject({ failure: 'conflict' })
  await accounts.disconnect({ id: moved.id }, other)
  expect(await connectNumber(one, number)).toMatchObject({
    id: first.id,
    perMinute: 4_000,
    perSecond: 50,
  })
})

test('of many who connect a number at once, in its account and in others, one has it, with one open interval', async () => {
  const [one, other] = [await tenant(), await tenant()]
  for (const isKnown of [false, true]) {
    const number = newNumber()
    await atMeta(number)
    if (isKnown) await accounts.disconnect({ id: (await connectNumber(one, number)).id }, one)
    const all = await Promise.allSettled(
      [one, other, one, other, one, other].map((of) => connectNumber(of, number)),
    )
    const refused = all.filter((each) => each.status === 'rejected')
    expect(refused.map(({ reason }) => reason.failure)).toEqual(
      Array.from({ length: 5 }, () => 'conflict'),
    )
    const rows =
      'select from accounts.connection_intervals where phone_number_id = $1 and disconnected_at is null'
    expect(await system.world.sql(rows, [number])).toHaveLength(1)
    const live =
      'select account_id from accounts.connections where phone_number_id = $1 and disconnected_at is null'
    expect(await system.world.sql(live, [number])).toHaveLength(1)
  }
})

test('disconnecting at the same time ends one interval once', async () => {
  const owner = await tenant()
  const number = newNumber()
  await atMeta(number)
  const { id } = await connectNumber(owner, number)
  const ends = await Promise.all([1, 2, 3, 4].map(() => accounts.disconnect({ id }, owner)))
  expect(new Set(ends.map(({ disconnectedAtMs }) => disconnectedAtMs)).size).toBe(1)
  const [interval] = await system.world.sql<{ at: number }>(
    'select extract(epoch from disconnected_at)::float8 * 1000 as at from accounts.connection_intervals where connection_id = $1',
    [id],
  )
  expect(interval!.at).toBe(ends[0]!.disconnectedAtMs)
})

test('an app that had a number within 30 days is told so by the interval, also when the number is connected by another app', async () => {
  const owner = await tenant()
  const number = newNumber()
  await atMeta(number)
  const { id } = await connectNumber(owner, number)
  await accounts.disconnect({ id }, owner)
  const other = await newApp(owner.accountId)
  await connectNumber({ ...owner, appId: other }, number)
  const keys = async (app: string) => {
    const { phoneNumberIds, formerPhoneNumberIds } = await accounts.getWebhookApp({ id: app }, {})
    return { phoneNumberIds, formerPhoneNumberIds }
  }
  expect(await keys(owner.appId)).toEqual({ phoneNumberIds: [], formerPhoneNumberIds: [number] })
  expect(await keys(other)).toEqual({ phoneNumberIds: [number], formerPhoneNumberIds: [] })
})

test("a token is replaced once Meta lets it use the connection's number, and nothing else changes", async () => {
  const owner = await tenant()
  const [number, another] = [newNumber(), newNumber()]
  await atMeta(number)
  await atMeta(another, { token: "another number's" })
  const before = await connectNumber(owner, number)
  const replace = (accessToken: string, of: { accountId: string } = owner) =>
    accounts.replaceToken({ id: before.id, accessToken }, of)
  await expect(replace('unknown')).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringMatching(/access token/),
  })
  await expect(replace("another number's")).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringMatching(number),
  })
  for (const unsendable of ['', 'tok\nen', 'töken', '\ud800'])
    await expect(replace(unsendable)).rejects.toMatchObject({
      failure: 'invalid',
      message: expect.stringContaining('access_token'),
    })
  await expect(replace('token', await tenant())).rejects.toMatchObject({ failure: 'not_found' })
  const sealedAppSecret = expect.any(Uint8Array)
  expect(await accounts.getConnection({ id: before.id }, owner)).toEqual({
    ...before,
    sealedAppSecret,
  })

  await using ctx = await openContext<Context>(
    accountsService,
    configIn(system.world, accountsService),
  )
  const heard: unknown[] = []
  await until(() => ctx.messaging.isConnected())
  using _heard = ctx.messaging.subscribeEvent(events.appsChanged, (appId) => void heard.push(appId))
  await atMeta(number, { token: 'new' })
  const after = await replace('new')
  expect(opened(after.id, owner.accountId, after.sealedToken)).toBe('new')
  const { sealedToken, tokenCheckedAtMs } = before
  expect({ ...after, sealedToken, tokenCheckedAtMs }).toEqual(before)
  await until(() => heard.includes(owner.appId))
})

test('the token of a disconnected number is not replaced: it is to be connected again', async () => {
  const owner = await tenant()
  const number = newNumber()
  await atMeta(number)
  const { id } = await connectNumber(owner, number)
  await accounts.disconnect({ id }, owner)
  const refused = {
    failure: 'precondition',
    message: expect.stringMatching(/disconnected; connect it again/),
  }
  await expect(accounts.replaceToken({ id, accessToken: 'token' }, owner)).rejects.toMatchObject(
    refused,
  )
})
