import { startSystem, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** An app's numbers are connected once Meta has had its challenge back from the gateway, and posts there. */
const stack = new AsyncDisposableStack()
let system: TestSystem
let account: { accountId: string }

beforeAll(async () => {
  system = stack.use(
    await startSystem({
      services: ['accounts', 'webhook-gateway'],
      scale: 0.05,
      checksWebhooks: true,
    }),
  )
  const { accounts } = system.clients
  account = { accountId: (await accounts.createAccount({ name: 'Acme' }, {})).id }
})
afterAll(() => stack.disposeAsync())

let apps = 80

/** An app that Meta knows with this callback URL, registered here. */
async function registered(more: { callbackUrl?: string; subscribedFields?: string[] } = {}) {
  const metaAppId = String(++apps)
  const secret = `secret-${metaAppId}`
  await atMeta(metaAppId, more)
  const app = { name: 'App', metaAppId, secret, verifyToken: 'right' }
  return system.clients.accounts.createApp(app, account)
}

const atMeta = (metaAppId: string, more: object) =>
  system.simulator.client.setState({
    apps: [{ id: metaAppId, secret: `secret-${metaAppId}`, ...more }],
  })

const metaApp = async (metaAppId: string) =>
  (await system.simulator.client.state()).apps.find(({ id }) => id === metaAppId)

let numbers = 8_000

async function connect(appId: string) {
  const id = String(++numbers)
  const token = `token-${id}`
  const number = { id, wabaId: '2000', displayPhoneNumber: '+1 555', token }
  await system.simulator.client.setState({ numbers: [number] })
  const asked = { name: 'N', phoneNumberId: id, wabaId: '2000', appId, accessToken: token }
  return system.clients.accounts.createConnection(asked, account)
}

const show = (id: string) => system.clients.accounts.getApp({ id }, account)

test("connecting the first number has Meta ask the gateway with the app's verify token, and post there", async () => {
  const app = await registered({ subscribedFields: ['flows'] })
  const callbackUrl = system.webhookUrl({ appId: app.id })
  expect(app).toMatchObject({ callbackUrl, webhookVerifiedAtMs: undefined })
  await connect(app.id)
  expect(await show(app.id)).toMatchObject({ webhookVerifiedAtMs: expect.any(Number) })
  expect(await metaApp(app.metaAppId)).toMatchObject({ callbackUrl, verifyToken: 'right' })
})

test('webhooks that Meta posts elsewhere are told by their address, and taken over only on demand', async () => {
  const callbackUrl = 'https://another.example.com/hook'
  const app = await registered({ callbackUrl, subscribedFields: ['flows'] })
  await expect(connect(app.id)).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringMatching(/to https:\/\/another\.example\.com\/hook, which is not/),
  })
  expect(await metaApp(app.metaAppId)).toMatchObject({ callbackUrl })
  expect(await show(app.id)).toMatchObject({ webhookVerifiedAtMs: undefined })
  const verified = await system.clients.accounts.verifyWebhook(
    { id: app.id, replace: true },
    account,
  )
  expect(verified).toMatchObject({ webhookVerifiedAtMs: expect.any(Number) })
  const taken = await metaApp(app.metaAppId)
  expect(taken!.callbackUrl).toBe(system.webhookUrl({ appId: app.id }))
  expect(taken!.subscribedFields).toEqual(expect.arrayContaining(['flows', 'messages']))
  await connect(app.id)
})

test("a gateway that has another verify token does not pass Meta's handshake, in words; a new token is asked about anew", async () => {
  const app = await registered()
  await system.clients.accounts.verifyWebhook({ id: app.id, replace: false }, account)
  const sealed = 'select sealed_verify_token as token from accounts.apps where id = $1'
  const [before] = await system.world.sql<{ token: Buffer }>(sealed, [app.id])
  // The gateway keeps what it has read, as if the news had not reached it.
  await system.clients.accounts.updateApp({ id: app.id, verifyToken: 'new' }, account)
  expect(await show(app.id)).toMatchObject({ webhookVerifiedAtMs: undefined })
  await connect(app.id)
  expect(await metaApp(app.metaAppId)).toMatchObject({ verifyToken: 'new' })
  expect(await show(app.id)).toMatchObject({ webhookVerifiedAtMs: expect.any(Number) })
  const [after] = await system.world.sql<{ token: Buffer }>(sealed, [app.id])
  const write = (token: Buffer) =>
    system.world.sql(
      'update accounts.apps set sealed_verify_token = $2, webhook_verified_at = null where id = $1',
      [app.id, token],
    )
  await write(before!.token)
  await expect(connect(app.id)).rejects.toMatchObject({
    failure: 'precondition',
    message: expect.stringMatching(/handshake.*Status Code = 403.*another verify token/s),
  })
  expect(await show(app.id)).toMatchObject({ webhookVerifiedAtMs: undefined })
  await write(after!.token)
  await connect(app.id)
})

test("another account's app is not there", async () => {
  const { id } = await registered()
  const { id: accountId } = await system.clients.accounts.createAccount({ name: 'Other' }, {})
  await expect(
    system.clients.accounts.verifyWebhook({ id, replace: true }, { accountId }),
  ).rejects.toMatchObject({ failure: 'not_found' })
})
