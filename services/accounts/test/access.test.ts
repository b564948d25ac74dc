import { secretPlaces } from '@lockstep/contracts'
import { createSecrets } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { startSystem, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** What is asked of Meta before an app, a number or a token is stored. */
let system: TestSystem
let accounts: TestSystem['clients']['accounts']
let account: { accountId: string }
let appId: string

const app = (secret: string, metaAppId = '71') => ({
  ...{ name: 'App', metaAppId, secret, verifyToken: 'v' },
})

beforeAll(async () => {
  system = await startSystem({ services: ['accounts'], scale: 0.05 })
  accounts = system.clients.accounts
  account = { accountId: (await accounts.createAccount({ name: 'Acme' }, {})).id }
  await system.simulator.client.setState({ apps: [{ id: '71', secret: 'right' }] })
  appId = (await accounts.createApp(app('right'), account)).id
})
afterAll(() => system[Symbol.asyncDispose]())

let numbers = 5_000

/** A number at Meta with a token of its own. */
async function atMeta(more: object = {}) {
  const phoneNumberId = String(++numbers)
  const accessToken = `token-${phoneNumberId}`
  const number = { id: phoneNumberId, wabaId: '2000', displayPhoneNumber: '+1 555', ...more }
  await system.simulator.client.setState({ numbers: [{ token: accessToken, ...number }] })
  return { phoneNumberId, accessToken, wabaId: '2000', name: 'Number', appId }
}

const connect = async (more: object = {}) => accounts.createConnection(await atMeta(more), account)

const stored = async () =>
  (
    await system.world.sql(
      'select id from accounts.apps union all select id from accounts.connections',
    )
  ).length

test('an app is stored, and its secret replaced, only with the secret that Meta takes', async () => {
  const before = await stored()
  const refused = { failure: 'precondition', message: expect.stringContaining('the app 71') }
  await expect(accounts.createApp(app('wrong'), account)).rejects.toMatchObject(refused)
  await expect(accounts.createApp(app('päss'), account)).rejects.toMatchObject({
    failure: 'invalid',
  })
  await expect(
    accounts.rotateAppSecret({ id: appId, secret: 'wrong' }, account),
  ).rejects.toMatchObject(refused)
  expect(await stored()).toBe(before)
})

test.each([
  ['of another app', { appId: '72' }, 'one of the app 71'],
  ['that is over', { tokenExpiresAtMs: 1_000 }, 'Session has expired'],
  [
    'that may not send',
    { scopes: ['whatsapp_business_management'] },
    'lacks the permission whatsapp_business_messaging',
  ],
])(
  'a number is not connected with a token %s, and its token not replaced',
  async (_what, more, words) => {
    const before = await stored()
    const refused = { failure: 'precondition', message: expect.stringContaining(words) }
    await expect(connect(more)).rejects.toMatchObject(refused)
    expect(await stored()).toBe(before)
    const asked = await atMeta()
    const { id } = await accounts.createConnection(asked, account)
    const { phoneNumberId, wabaId } = asked
    const number = {
      id: phoneNumberId,
      wabaId,
      token: `other-${id}`,
      displayPhoneNumber: '+1',
      ...more,
    }
    await system.simulator.client.setState({ numbers: [number] })
    await expect(
      accounts.replaceToken({ id, accessToken: `other-${id}` }, account),
    ).rejects.toMatchObject(refused)
  },
)

test('who connects a number subscribes its app to the WABA beside the others', async () => {
  await system.simulator.client.setState({ wabas: [{ id: '2001', appIds: ['99'] }] })
  await connect({ wabaId: '2000' })
  const asked = await atMeta({ wabaId: '2001' })
  await accounts.createConnection({ ...asked, wabaId: '2001' }, account)
  const { wabas } = await system.simulator.client.state()
  const appsOf = (id: string) => wabas.find((waba) => waba.id === id)?.appIds
  expect([appsOf('2000'), appsOf('2001')]).toEqual([['71'], ['99', '71']])
})

const day = 86_400_000

test('a token that ends is warned of for 14 days and then disables its number, until it is replaced', async () => {
  const { id, warnings, tokenExpiresAtMs } = await connect()
  expect([warnings, tokenExpiresAtMs]).toEqual([[], undefined])
  const soon = await connect({ tokenExpiresAtMs: Date.now() + 13 * day })
  expect(soon.warnings).toEqual([expect.stringMatching(/^The access token expires on 20\d\d-/)])
  expect(soon).toMatchObject({ health: 'ok', tokenExpiresAtMs: expect.any(Number) })
  expect((await connect({ tokenExpiresAtMs: Date.now() + 15 * day })).warnings).toEqual([])
  await system.world.sql(
    "update accounts.connections set token_expires_at = now() - interval '1 minute' where id = $1",
    [soon.id],
  )
  expect(await accounts.getConnection({ id: soon.id }, account)).toMatchObject({
    health: 'disabled',
    healthReason: expect.stringContaining('The access token expired on'),
    warnings: [],
  })
  const { phoneNumberId, wabaId } = soon
  const number = { id: phoneNumberId, wabaId, token: 'fresh', displayPhoneNumber: '+1' }
  await system.simulator.client.setState({ numbers: [number] })
  expect(await accounts.replaceToken({ id: soon.id, accessToken: 'fresh' }, account)).toMatchObject(
    {
      health: 'ok',
      warnings: [],
    },
  )
  expect((await accounts.getConnection({ id }, account)).health).toBe('ok')
})

test('a number of low quality is warned of in words', async () => {
  const { warnings } = await connect({ qualityRating: 'RED' })
  expect(warnings).toEqual([expect.stringContaining('quality of this number as low')])
})

test('apps are listed in pages, shown and changed; a verify token that is not named stays', async () => {
  const { id: accountId } = await accounts.createAccount({ name: 'Three' }, {})
  const [own, stranger] = [{ accountId }, account]
  for (const name of ['one', 'two', 'three'])
    await accounts.createApp({ ...app('right'), name }, own)
  const { apps: first } = await accounts.listApps({ limit: 2 }, own)
  const { apps: rest } = await accounts.listApps({ limit: 2, after: first.at(-1)!.id }, own)
  expect([...first, ...rest].map(({ name }) => name)).toEqual(['one', 'two', 'three'])
  const { id } = rest[0]!
  const sealed = async () => (await accounts.getWebhookApp({ id }, {})).app!.sealedVerifyToken
  const before = await sealed()
  expect(await accounts.updateApp({ id, name: '3' }, own)).toMatchObject({ name: '3' })
  expect(await sealed()).toEqual(before)
  await accounts.updateApp({ id, verifyToken: 'new' }, own)
  const place = secretPlaces.appVerifyToken(id, accountId)
  expect(createSecrets(system.world.encryptionKey).open(await sealed(), place)).toBe('new')
  const none = { failure: 'not_found' }
  await expect(accounts.getApp({ id }, stranger)).rejects.toMatchObject(none)
  await expect(accounts.updateApp({ id, name: 'x' }, stranger)).rejects.toMatchObject(none)
})

test('an app says until when the secret before is accepted, and not after that', async () => {
  const { id } = await accounts.createApp(app('any', '73'), account)
  const rotated = await accounts.rotateAppSecret(
    { id, secret: 'other', previousValidMs: 500 },
    account,
  )
  expect(rotated.previousSecretUntilMs).toEqual(expect.any(Number))
  await until(
    async () => (await accounts.getApp({ id }, account)).previousSecretUntilMs === undefined,
  )
})

test('a connection has another name, also when it has ended; another account can not give it one', async () => {
  const { id } = await connect()
  await accounts.disconnect({ id }, account)
  expect(await accounts.renameConnection({ id, name: ' Shop ' }, account)).toMatchObject({
    name: 'Shop',
    disconnectedAtMs: expect.any(Number),
  })
  const { id: accountId } = await accounts.createAccount({ name: 'Other' }, {})
  await expect(accounts.renameConnection({ id, name: 'x' }, { accountId })).rejects.toMatchObject({
    failure: 'not_found',
  })
})

test('a number is connected by an app whose owner demands the proof of its secret, and not with the one before', async () => {
  const demanding = { id: '74', secret: 'first', requireAppSecret: true }
  await system.simulator.client.setState({ apps: [demanding] })
  const { id } = await accounts.createApp(app('first', '74'), account)
  const asked = { ...(await atMeta({ appId: '74' })), appId: id }
  await accounts.createConnection(asked, account)
  await system.simulator.client.setState({ apps: [{ ...demanding, secret: 'second' }] })
  const another = { ...(await atMeta({ appId: '74' })), appId: id }
  await expect(accounts.createConnection(another, account)).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringContaining("check the app's secret"),
  })
})
