import { everyRight, secretPlaces } from '@lockstep/contracts'
import { withClient } from '@lockstep/database'
import { createSecrets } from '@lockstep/service'
import { until, type World } from '@lockstep/testing'
import { startSystem, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

/**
 * Numbers at Meta: five of one WABA, one of another, more than a page of a third. All but the last
 * have one token.
 */
const numbers = (count: number, wabaId: string, from: number, token = 'good-token') =>
  Array.from({ length: count }, (_, n) => ({
    id: String(from + n),
    wabaId,
    token,
    displayPhoneNumber: '+1 555 0100',
    verifiedName: 'Acme',
  }))
const atMeta = {
  numbers: [
    ...numbers(5, '2000', 1_001),
    ...numbers(1, '2001', 2_001),
    ...numbers(101, '2002', 3_001),
  ],
}

let system: TestSystem
let world: World
let accounts: TestSystem['clients']['accounts']
let tenants: { id: string; appId: string }[]

beforeAll(async () => {
  system = await startSystem({ services: ['accounts'], scale: 0.05 })
  world = system.world
  accounts = system.clients.accounts
  await system.simulator.client.setState(atMeta)
  tenants = []
  for (const name of ['Acme', 'Globex']) {
    const { id } = await accounts.createAccount({ name }, {})
    const app = await accounts.createApp(
      { name, metaAppId: '1', secret: `${name}-secret`, verifyToken: 'v' },
      { accountId: id },
    )
    tenants.push({ id, appId: app.id })
  }
})
afterAll(() => system[Symbol.asyncDispose]())

const connectNumber = (
  tenant: number,
  phoneNumberId: string,
  accessToken = 'good-token',
  wabaId = '2000',
) =>
  accounts.createConnection(
    { name: '', phoneNumberId, wabaId, appId: tenants[tenant]!.appId, accessToken },
    { accountId: tenants[tenant]!.id },
  )

test('an API key names its account, is stored as a hash only, and an unknown one is refused', async () => {
  const { key } = await accounts.createApiKey(
    { name: 'ci', rights: [everyRight], heldRights: [everyRight] },
    { accountId: tenants[0]!.id },
  )
  expect(await accounts.authenticateKey({ key }, {})).toMatchObject({ accountId: tenants[0]!.id })
  await expect(accounts.authenticateKey({ key: `${key}x` }, {})).rejects.toMatchObject({
    failure: 'unauthenticated',
  })
  const [stored] = await world.sql(
    "select string_agg(k::text, '') as text from accounts.api_keys k",
  )
  expect(String(stored!.text)).not.toContain(key)
})

test('a connection is made only with a token that Meta accepts, takes the name that Meta verified, and starts at 100 a minute', async () => {
  await expect(connectNumber(0, '1001', 'stolen')).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringMatching(/access token/),
  })
  const connection = await connectNumber(0, '1001')
  expect(connection).toMatchObject({
    verifiedName: 'Acme',
    perMinute: 100,
    perSecond: 80,
    displayPhoneNumber: '+1 555 0100',
  })
})

test('a number is connected only with the WABA that Meta lists it in, on whatever page', async () => {
  await expect(connectNumber(0, '2001')).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringMatching(/2001 .*WhatsApp Business Account 2000/),
  })
  await expect(connectNumber(0, '2001', 'good-token', '999')).rejects.toMatchObject({
    failure: 'precondition',
  })
  expect(await connectNumber(0, '2001', 'good-token', '2001')).toMatchObject({ wabaId: '2001' })
  expect(await connectNumber(0, '3101', 'good-token', '2002')).toMatchObject({
    phoneNumberId: '3101',
  })
})

test.each(['..', '.', '1/2', '1?x', '١', 'a', ''])('%o is no id at Meta', async (id) => {
  const invalid = { failure: 'invalid' }
  const app = { name: 'A', metaAppId: id, secret: 's', verifyToken: 'v' }
  await expect(accounts.createApp(app, { accountId: tenants[0]!.id })).rejects.toMatchObject(
    invalid,
  )
  await expect(connectNumber(0, id)).rejects.toMatchObject(invalid)
  await expect(connectNumber(0, '1001', 'good-token', id)).rejects.toMatchObject(invalid)
})

test('a token is sealed to its row: it opens there, and nowhere else', async () => {
  const connection = await connectNumber(0, '1002')
  const secrets = createSecrets(world.encryptionKey)
  const place = secretPlaces.connection(connection.id, connection.accountId)
  expect(secrets.open(connection.sealedToken, place)).toBe('good-token')
  expect(() =>
    secrets.open(connection.sealedToken, { ...place, accountId: tenants[1]!.id }),
  ).toThrow(/can't be opened/)
})

test('a number belongs to one account at a time, and webhooks resolve to whose it was when they came', async () => {
  const first = await connectNumber(0, '1003')
  await expect(connectNumber(1, '1003')).rejects.toMatchObject({ failure: 'conflict' })
  const ended = await accounts.disconnect({ id: first.id }, { accountId: tenants[0]!.id })
  const second = await connectNumber(1, '1003')
  const at = async (atMs: number) =>
    (
      await accounts.resolveConnections(
        { phoneNumberIds: ['1003'], fromMs: atMs, untilMs: atMs },
        {},
      )
    ).intervals.map((interval) => interval.accountId)
  expect(await at(first.connectedAtMs)).toEqual([tenants[0]!.id])
  expect(await at(second.connectedAtMs)).toEqual([tenants[1]!.id])
  expect(await at(ended.disconnectedAtMs!)).not.toContain(tenants[0]!.id)
  expect(await at(first.connectedAtMs - 1)).toEqual([])
})

test('limits may be raised to what Meta allows the number and no further', async () => {
  const { id } = await connectNumber(0, '1004')
  const call = { accountId: tenants[0]!.id }
  expect(
    await accounts.setConnectionLimits({ id, perMinute: 4_800, perSecond: 80 }, call),
  ).toMatchObject({ perMinute: 4_800 })
  await expect(
    accounts.setConnectionLimits({ id, perMinute: 4_801, perSecond: 80 }, call),
  ).rejects.toMatchObject({ failure: 'invalid' })
  await expect(
    accounts.setConnectionLimits({ id, perMinute: 100, perSecond: 81 }, call),
  ).rejects.toMatchObject({ failure: 'invalid' })
})

test("another account's rows are not found, not listed, and without a tenant there are none", async () => {
  const { id } = await connectNumber(0, '1005')
  const other = { accountId: tenants[1]!.id }
  await expect(accounts.getConnection({ id }, other)).rejects.toMatchObject({
    failure: 'not_found',
  })
  await expect(accounts.disconnect({ id }, other)).rejects.toMatchObject({ failure: 'not_found' })
  await expect(
    accounts.rotateAppSecret({ id: tenants[0]!.appId, secret: 's' }, other),
  ).rejects.toMatchObject({ failure: 'not_found' })
  const { connections } = await accounts.listConnections({}, other)
  expect(connections.every((connection) => connection.accountId === tenants[1]!.id)).toBe(true)
  await expect(accounts.listConnections({}, {})).rejects.toMatchObject({
    failure: 'unauthenticated',
  })
})

/** The secrets of the second tenant's app, as the gateway opens them. */
async function openedSecrets() {
  const app = await appOf(tenants[1]!.appId)
  const secrets = createSecrets(world.encryptionKey)
  const sealed = [app.sealedSecret, app.sealedPreviousSecret].filter((each) => each.length > 0)
  return sealed.map((each) => secrets.open(each, secretPlaces.appSecret(app.id, app.accountId)))
}
const appOf = async (id: string) => (await accounts.getWebhookApp({ id }, {})).app!
const rotate = (secret: string, previousValidMs?: number) =>
  accounts.rotateAppSecret(
    { id: tenants[1]!.appId, secret, ...(previousValidMs !== undefined && { previousValidMs }) },
    { accountId: tenants[1]!.id },
  )

test('after a rotation the gateway gets both secrets, sealed; a repeat of it changes nothing', async () => {
  await rotate('new-secret')
  expect(await openedSecrets()).toEqual(['new-secret', 'Globex-secret'])
  await rotate('new-secret')
  expect(await openedSecrets()).toEqual(['new-secret', 'Globex-secret'])
})

test('of two rotations at once the later keeps the secret of the earlier as the previous one', async () => {
  const waiting =
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename = 'accounts' and datname = current_database()"
  const rotations = await withClient(world.adminUrl, async (client) => {
    await client.query('begin')
    await client.query('select 1 from accounts.apps where id = $1 for update', [tenants[1]!.appId])
    const both = [rotate('one'), rotate('other')]
    await until(async () => (await world.sql(waiting)).length === 2)
    await client.query('rollback')
    return both
  })
  await Promise.all(rotations)
  expect((await openedSecrets()).sort()).toEqual(['one', 'other'])
})

test('the secret before a rotation is good for a day, or for as long as was asked, and then leaves no more', async () => {
  const day = 86_400_000
  await rotate('a-day')
  const { previousValidUntilMs } = await appOf(tenants[1]!.appId)
  expect(Math.abs(previousValidUntilMs! - Date.now() - day)).toBeLessThan(60_000)
  await rotate('no-longer', 0)
  expect(await openedSecrets()).toEqual(['no-longer'])
  await rotate('shortly', 300)
  expect(await openedSecrets()).toEqual(['shortly', 'no-longer'])
  await until(async () => (await openedSecrets()).length === 1)
  await expect(rotate('for-ever', 8 * day)).rejects.toMatchObject({ failure: 'invalid' })
})

test("an app's secret and its verify token open each in its own place only", async () => {
  const app = await appOf(tenants[0]!.appId)
  const secrets = createSecrets(world.encryptionKey)
  const places = [
    secretPlaces.appSecret(app.id, app.accountId),
    secretPlaces.appVerifyToken(app.id, app.accountId),
  ] as const
  expect([
    secrets.open(app.sealedSecret, places[0]),
    secrets.open(app.sealedVerifyToken, places[1]),
  ]).toEqual(['Acme-secret', 'v'])
  expect(() => secrets.open(app.sealedSecret, places[1])).toThrow(/can't be opened/)
  expect(() => secrets.open(app.sealedVerifyToken, places[0])).toThrow(/can't be opened/)
})

test("an app's numbers and WABAs are those of its live connections; a number that was is told apart", async () => {
  const { accountId, id: appId } = await accounts.createApp(
    { name: 'A', metaAppId: '2', secret: 's', verifyToken: 'v' },
    { accountId: tenants[1]!.id },
  )
  const connect = (phoneNumberId: string) =>
    accounts.createConnection(
      { name: '', phoneNumberId, wabaId: '2002', appId, accessToken: 'good-token' },
      { accountId },
    )
  const [first] = [await connect('3001'), await connect('3002')]
  const { id } = await connect('3003')
  await accounts.disconnect({ id }, { accountId })
  const { phoneNumberIds, wabaIds, formerPhoneNumberIds } = await accounts.getWebhookApp(
    { id: appId },
    {},
  )
  expect({ phoneNumberIds, wabaIds, formerPhoneNumberIds }).toEqual({
    phoneNumberIds: ['3001', '3002'],
    wabaIds: ['2002'],
    formerPhoneNumberIds: ['3003'],
  })
  // Whoever connects tells the gateway, in the same transaction, to adopt what came before.
  const entries = await world.sql(
    'select account_id, row_id from accounts.feed_open where key = $1',
    ['3001'],
  )
  expect(entries).toEqual([{ account_id: accountId, row_id: first.id }])
})

test('the intervals of a number or WABA are found by an index, however many there are', async () => {
  const plan = await withClient(world.adminUrl, async (client) => {
    await client.query('set enable_seqscan = off')
    const { rows } = await client.query(
      "explain select * from accounts.connection_intervals where phone_number_id = '1' or waba_id = '1'",
    )
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  })
  expect(plan).not.toContain('Seq Scan')
})
