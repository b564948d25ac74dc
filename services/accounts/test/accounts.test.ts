import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { secretPlaces } from '@lockstep/contracts'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { createSecrets } from '@lockstep/service'
import { createWorld, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { start } from '../src/service.ts'

/** Answers as Graph does for a phone number, for the one token that is good. */
async function serveGraph(goodToken: string) {
  const server = createServer((request, response) => {
    const good = request.headers.authorization === `Bearer ${goodToken}`
    const id = request.url!.split('/')[2]!.split('?')[0]
    const number = {
      id,
      display_phone_number: '+1 555 0100',
      verified_name: 'Acme',
      quality_rating: 'GREEN',
      throughput: { level: 'STANDARD' },
    }
    const error = { error: { message: 'Invalid OAuth access token', type: 'OAuthException', code: 190, fbtrace_id: 'x' } }
    response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(good ? number : error))
  })
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      await new Promise((down) => server.close(down))
    },
  }
}

const stack = new AsyncDisposableStack()
let world: World
let accounts: ReturnType<typeof connect<typeof AccountsDefinition>>
let tenants: { id: string; appId: string }[]

beforeAll(async () => {
  world = stack.use(await createWorld())
  const graph = stack.use(await serveGraph('good-token'))
  const service = stack.use(
    await start(
      {
        ...world.base('accounts'),
        encryptionKey: world.encryptionKey,
        graphUrl: graph.url,
        graphVersion: 'v24.0',
        gatewayAddress: '127.0.0.1:1',
      },
      { scale: 0.05 },
    ),
  )
  accounts = stack.use(connect(AccountsDefinition, `127.0.0.1:${service.grpcPort}`))
  tenants = []
  for (const name of ['Acme', 'Globex']) {
    const { id } = await accounts.createAccount({ name }, {})
    const app = await accounts.createApp({ name, metaAppId: '1', secret: `${name}-secret`, verifyToken: 'v' }, { accountId: id })
    tenants.push({ id, appId: app.id })
  }
})
afterAll(() => stack.disposeAsync())

const connectNumber = (tenant: number, phoneNumberId: string, accessToken = 'good-token') =>
  accounts.createConnection(
    { name: '', phoneNumberId, wabaId: '2000', appId: tenants[tenant]!.appId, accessToken },
    { accountId: tenants[tenant]!.id },
  )

test('an API key names its account, is stored as a hash only, and an unknown one is refused', async () => {
  const { key } = await accounts.createApiKey({ name: 'ci' }, { accountId: tenants[0]!.id })
  expect(await accounts.authenticateKey({ key }, {})).toMatchObject({ accountId: tenants[0]!.id })
  await expect(accounts.authenticateKey({ key: `${key}x` }, {})).rejects.toMatchObject({ failure: 'unauthenticated' })
  const [stored] = await world.sql("select string_agg(k::text, '') as text from accounts.api_keys k")
  expect(String(stored!.text)).not.toContain(key)
})

test('a connection is made only with a token that Meta accepts, takes the name that Meta verified, and starts at 100 a minute', async () => {
  await expect(connectNumber(0, '1001', 'stolen')).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringMatching(/access token/),
  })
  const connection = await connectNumber(0, '1001')
  expect(connection).toMatchObject({ verifiedName: 'Acme', perMinute: 100, perSecond: 80, displayPhoneNumber: '+1 555 0100' })
})

test('a token is sealed to its row: it opens there, and nowhere else', async () => {
  const connection = await connectNumber(0, '1002')
  const secrets = createSecrets(world.encryptionKey)
  const place = secretPlaces.connection(connection.id, connection.accountId)
  expect(secrets.open(connection.sealedToken, place)).toBe('good-token')
  expect(() => secrets.open(connection.sealedToken, { ...place, accountId: tenants[1]!.id })).toThrow(/can't be opened/)
})

test('a number belongs to one account at a time, and webhooks resolve to whose it was when they came', async () => {
  const first = await connectNumber(0, '1003')
  await expect(connectNumber(1, '1003')).rejects.toMatchObject({ failure: 'conflict' })
  const ended = await accounts.disconnect({ id: first.id }, { accountId: tenants[0]!.id })
  const second = await connectNumber(1, '1003')
  const at = async (atMs: number) =>
    (await accounts.resolveConnections({ phoneNumberId: '1003', atMs }, {})).connections.map((connection) => connection.accountId)
  expect(await at(first.connectedAtMs)).toEqual([tenants[0]!.id])
  expect(await at(second.connectedAtMs)).toEqual([tenants[1]!.id])
  expect(await at(ended.disconnectedAtMs!)).not.toContain(tenants[0]!.id)
  expect(await at(first.connectedAtMs - 1)).toEqual([])
})

test('limits may be raised to what Meta allows the number and no further', async () => {
  const { id } = await connectNumber(0, '1004')
  const call = { accountId: tenants[0]!.id }
  expect(await accounts.setConnectionLimits({ id, perMinute: 4_800, perSecond: 80 }, call)).toMatchObject({ perMinute: 4_800 })
  await expect(accounts.setConnectionLimits({ id, perMinute: 4_801, perSecond: 80 }, call)).rejects.toMatchObject({ failure: 'invalid' })
  await expect(accounts.setConnectionLimits({ id, perMinute: 100, perSecond: 81 }, call)).rejects.toMatchObject({ failure: 'invalid' })
})

test("another account's rows are not found, not listed, and without a tenant there are none", async () => {
  const { id } = await connectNumber(0, '1005')
  const other = { accountId: tenants[1]!.id }
  await expect(accounts.getConnection({ id }, other)).rejects.toMatchObject({ failure: 'notFound' })
  await expect(accounts.disconnect({ id }, other)).rejects.toMatchObject({ failure: 'notFound' })
  await expect(accounts.rotateAppSecret({ id: tenants[0]!.appId, secret: 's' }, other)).rejects.toMatchObject({ failure: 'notFound' })
  const { connections } = await accounts.listConnections({}, other)
  expect(connections.every((connection) => connection.accountId === tenants[1]!.id)).toBe(true)
  await expect(accounts.listConnections({}, {})).rejects.toMatchObject({ failure: 'unauthenticated' })
})

test('after a rotation the gateway gets both secrets, sealed', async () => {
  await accounts.rotateAppSecret({ id: tenants[1]!.appId, secret: 'new-secret' }, { accountId: tenants[1]!.id })
  const { apps } = await accounts.listAppSecrets({}, {})
  const app = apps.find((candidate) => candidate.id === tenants[1]!.appId)!
  const secrets = createSecrets(world.encryptionKey)
  const place = secretPlaces.app(app.id, app.accountId)
  expect(secrets.open(app.sealedSecret, place)).toBe('new-secret')
  expect(secrets.open(app.sealedPreviousSecret, place)).toBe('Globex-secret')
})
