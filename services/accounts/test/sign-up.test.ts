import { secretPlaces } from '@lockstep/contracts'
import { createSecrets } from '@lockstep/service'
import { startSystem, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** A number is connected by the code that Embedded Signup hands to a browser, once, whatever is lost on the way. */
const stack = new AsyncDisposableStack()
let system: TestSystem
let accounts: TestSystem['clients']['accounts']
let account: { accountId: string }
let appId: string

beforeAll(async () => {
  system = stack.use(await startSystem({ services: ['accounts'], scale: 0.05 }))
  accounts = system.clients.accounts
  account = { accountId: (await accounts.createAccount({ name: 'Acme' }, {})).id }
  await system.simulator.client.setState({
    apps: [{ id: '71', secret: 'secret', requireAppSecret: true }],
  })
  const app = { name: 'App', metaAppId: '71', secret: 'secret', verifyToken: 'v' }
  appId = (await accounts.createApp(app, account)).id
})
afterAll(() => stack.disposeAsync())

let numbers = 6_000

/** A customer who went through the sign-up; what the browser was told. */
async function customer({ number = {}, code = {} }: { number?: object; code?: object } = {}) {
  const phoneNumberId = String(++numbers)
  const token = `business-token-${phoneNumberId}`
  const known = { id: phoneNumberId, wabaId: '2000', displayPhoneNumber: '+1 555', appId: '71' }
  await system.simulator.client.setState({
    numbers: [{ ...known, token: `nobody's-${phoneNumberId}`, verifiedName: 'Ana', ...number }],
    codes: [{ code: `code-${phoneNumberId}`, appId: '71', phoneNumberId, token, ...code }],
  })
  const asked = { appId, wabaId: '2000', phoneNumberId, code: `code-${phoneNumberId}` }
  return { asked, token }
}

const rows = (phoneNumberId: string) =>
  system.world.sql('select id from accounts.connections where phone_number_id = $1', [
    phoneNumberId,
  ])

const tokensKept = async () =>
  (await system.world.sql('select 1 from accounts.sign_ups where sealed_token is not null')).length

const atMeta = async (phoneNumberId: string) => {
  const { numbers, wabas } = await system.simulator.client.state()
  const number = numbers.find(({ id }) => id === phoneNumberId)!
  return { number, waba: wabas.find(({ id }) => id === number.wabaId)! }
}

test('a code becomes a sealed token of a connected number whose app hears the WABA', async () => {
  const { asked, token } = await customer({
    code: { tokenExpiresAtMs: Date.now() + 5_184_000_000 },
  })
  const connection = await accounts.signUpConnection(asked, account)
  expect(connection).toMatchObject({ name: 'Ana', health: 'ok', tokenHealth: 'ok' })
  const place = secretPlaces.connection(connection.id, account.accountId)
  const secrets = createSecrets(system.world.encryptionKey)
  expect(secrets.open(connection.sealedToken, place)).toBe(token)
  expect(connection.tokenExpiresAtMs).toEqual(expect.any(Number))
  expect((await atMeta(asked.phoneNumberId)).waba.appIds).toContain('71')
  expect(await tokensKept()).toBe(0)
})

test('the same code again, one after the other or at once, answers the one connection', async () => {
  const { asked } = await customer()
  const all = await Promise.allSettled(
    Array.from({ length: 8 }, () => accounts.signUpConnection(asked, account)),
  )
  const made = all.flatMap((each) => (each.status === 'fulfilled' ? each.value.id : []))
  const refused = all.flatMap((each) => (each.status === 'rejected' ? each.reason.failure : []))
  expect(new Set(made).size).toBe(1)
  expect(refused).toEqual(refused.map(() => 'conflict'))
  const again = await accounts.signUpConnection(asked, account)
  expect([again.id]).toEqual([...new Set(made)])
  expect(await rows(asked.phoneNumberId)).toHaveLength(1)
})

test('a code whose exchange was answered goes on where the request was lost, though it is used up at Meta', async () => {
  const { asked } = await customer({ number: { status: 'PENDING', pin: '123456' } })
  await expect(accounts.signUpConnection(asked, account)).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringMatching(/is PENDING at Meta.*same code.*"pin"/),
  })
  expect(await tokensKept()).toBe(1)
  await expect(
    accounts.signUpConnection({ ...asked, pin: '654321' }, account),
  ).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringContaining('with this PIN'),
  })
  await expect(accounts.signUpConnection({ ...asked, pin: '1' }, account)).rejects.toMatchObject({
    failure: 'invalid',
  })
  expect(await rows(asked.phoneNumberId)).toHaveLength(0)
  const connection = await accounts.signUpConnection({ ...asked, pin: '123456' }, account)
  expect((await atMeta(asked.phoneNumberId)).number.status).toBe('CONNECTED')
  expect(await accounts.signUpConnection(asked, account)).toMatchObject({ id: connection.id })
  expect(await tokensKept()).toBe(0)
})

test('a code whose answer was lost at Meta says to sign up again, and connects nothing', async () => {
  const { asked } = await customer()
  await system.simulator.client.setSettings({ faults: { loseCodes: 1 } })
  await expect(accounts.signUpConnection(asked, account)).rejects.toMatchObject({ failure: 'busy' })
  await expect(accounts.signUpConnection(asked, account)).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringMatching(/used already.*sign up again/),
  })
  expect(await rows(asked.phoneNumberId)).toHaveLength(0)
})

test.each([
  ['that is over', { endsAtMs: 1_000 }, 'is over'],
  ['of another app', { appId: '72' }, 'does not know the code'],
])('a code %s is refused in words, and connects nothing', async (_what, code, words) => {
  const { asked } = await customer({ code })
  await expect(accounts.signUpConnection(asked, account)).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringContaining(words),
  })
  expect(await rows(asked.phoneNumberId)).toHaveLength(0)
})

test('a number of another WABA than the session info names is refused as by hand', async () => {
  const { asked } = await customer()
  const wrong = { ...asked, wabaId: '2999' }
  await expect(accounts.signUpConnection(wrong, account)).rejects.toMatchObject({
    failure: 'precondition',
  })
  expect(await rows(asked.phoneNumberId)).toHaveLength(0)
  expect(await accounts.signUpConnection(asked, account)).toMatchObject({ wabaId: '2000' })
})

test('a customer who signs up again renews the token of the same connection', async () => {
  const { asked } = await customer()
  const { id } = await accounts.signUpConnection(asked, account)
  const { phoneNumberId } = asked
  await system.simulator.client.setState({
    codes: [{ code: 'second', appId: '71', phoneNumberId, token: 'renewed' }],
  })
  const renewed = await accounts.signUpConnection({ ...asked, code: 'second' }, account)
  expect(renewed.id).toBe(id)
  const place = secretPlaces.connection(id, account.accountId)
  expect(createSecrets(system.world.encryptionKey).open(renewed.sealedToken, place)).toBe('renewed')
})

test("another account's app can not be signed up with", async () => {
  const { asked } = await customer()
  const { id: accountId } = await accounts.createAccount({ name: 'Other' }, {})
  await expect(accounts.signUpConnection(asked, { accountId })).rejects.toMatchObject({
    failure: 'not_found',
  })
})
