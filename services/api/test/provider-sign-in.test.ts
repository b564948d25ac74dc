import { secretPlaces } from '@lockstep/contracts'
import { createSecrets } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Api,
  cookieOf,
  member,
  openApi,
  openStack,
  password,
  type Stack,
  totpCode,
} from './fixtures.ts'
import {
  beginSignIn,
  finishSignIn,
  type OpenIdProvider,
  open,
  startOpenIdProvider,
} from './openid-provider.ts'

const up = new AsyncDisposableStack()
let provider: OpenIdProvider
let stack: Stack
let api: Api
let accountId: string
let owner: { id: string; cookie: string }

beforeAll(async () => {
  provider = up.use(await startOpenIdProvider())
  stack = up.use(await openStack(0.2, provider.environment))
  api = up.use(await openApi(stack.config, {}))
  accountId = (await stack.account()).accountId
  owner = await member(stack, api, accountId, 'owner')
})
afterAll(() => up.disposeAsync())

const join = (role = 'viewer') => member(stack, api, accountId, role)
const rowsOf = (table: string) => stack.world.sql(`select 1 from accounts.${table}`)
const me = (cookie: string) => api.ask(cookie, 'GET', '/v1/me')

/** All the way of somebody whom the provider knows by an e-mail. */
async function signIn(email: string, { verified = true, query = '', cookie = '' } = {}) {
  const begun = await beginSignIn(api, query)
  const known = { email, email_verified: verified }
  const answer = await provider.signIn(begun.location, crypto.randomUUID(), known)
  const cookies = [begun.cookie, cookie].filter(Boolean).join('; ')
  return { ...(await finishSignIn(api, answer, cookies)), answer, begun }
}

test('a member whose e-mail the provider has verified is signed in, by a code that is bound to this browser', async () => {
  const { id, email, cookie } = await join()
  const done = await signIn(email.toUpperCase(), { cookie })
  expect([done.status, done.location, done.step]).toEqual([302, '/docs', undefined])
  const asked = new URL(done.begun.location).searchParams
  expect(Object.fromEntries(asked)).toMatchObject({
    response_type: 'code',
    scope: 'openid email',
    code_challenge_method: 'S256',
    state: expect.stringMatching(/^[\w-]{43}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
  })
  expect((await me(done.session!)).json.person.id).toBe(id)
  await until(async () => (await me(cookie)).status === 401, 1_000)
  const { entries } = (
    await api.ask(owner.cookie, 'GET', `/v1/audit-log?action=signIn&actor_id=${id}`)
  ).json
  expect(entries[0]).toMatchObject({
    actor_name: email,
    after: { provider: provider.environment.LOCKSTEP_OIDC_ISSUER },
  })
})

test('cookies of a sign-in are set for this host only, out of reach of scripts and other sites', async () => {
  const config = { ...stack.config, publicUrl: 'https://lockstep.example.com' }
  await using secure = await openApi(config, {})
  const begun = await open(secure, '/sign-in/oidc')
  expect(begun.headers.getSetCookie()).toEqual([
    expect.stringMatching(
      /^__Host-lockstep-step=[\w-]+; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/,
    ),
  ])
})

test('a session that was planted in the browser is never taken over', async () => {
  const { email } = await join()
  const planted = `lockstep=ls_${'A'.repeat(43)}`
  const done = await signIn(email, { cookie: planted })
  expect(done.session).toMatch(/^lockstep=ls_[\w-]{43}$/)
  expect(done.session).not.toBe(planted)
  expect((await me(planted)).status).toBe(401)
})

test('an e-mail that is not verified, or is nobody’s, signs nobody in and makes nobody', async () => {
  const { email } = await join()
  const [people, sessions] = [await rowsOf('people'), await rowsOf('sessions')]
  for (const done of [
    await signIn(email, { verified: false }),
    await signIn('stranger@example.com'),
  ])
    expect([done.status, done.json.code, done.session]).toEqual([403, 'forbidden', undefined])
  expect([await rowsOf('people'), await rowsOf('sessions')]).toEqual([people, sessions])
})

test('who was invited becomes a member by signing in, with the role of the invitation, once', async () => {
  const email = 'ina@example.com'
  const asked = { email, role: 'agent' }
  const { json } = await api.ask(owner.cookie, 'POST', '/v1/invitations', asked)
  expect((await signIn(email, { verified: false })).status).toBe(403)
  const done = await signIn(email)
  const known = (await me(done.session!)).json
  expect([known.person.email, known.accounts[0].role]).toEqual([email, 'agent'])
  const token = json.link.split('#')[1]
  const again = await api.ask('', 'POST', '/v1/invitations/accept', { token, name: 'I', password })
  expect(again.status).toBe(404)
  expect((await me((await signIn(email)).session!)).json.person.id).toBe(known.person.id)
  const { entries } = (
    await api.ask(
      owner.cookie,
      'GET',
      `/v1/audit-log?action=acceptInvitation&target_id=${known.person.id}`,
    )
  ).json
  expect(entries[0].after).toMatchObject({ role: 'agent', provider: expect.any(String) })
})

test('who was invited by several accounts chooses by a link, so that none takes somebody in unseen', async () => {
  const email = 'uma@example.com'
  for (const { accountId } of [await stack.account(), await stack.account()])
    await stack.invite(accountId, 'viewer', email)
  const done = await signIn(email)
  expect([done.status, done.json.code, done.session]).toEqual([422, 'precondition', undefined])
})

test('an answer opens nothing in another browser, under another state, with another’s code, or twice', async () => {
  const { email } = await join()
  const known = { email, email_verified: true }
  const [victim, thief] = [await beginSignIn(api), await beginSignIn(api)]
  const stolen = await provider.signIn(victim.location, 'victim', known)
  const own = await provider.signIn(thief.location, 'thief', known)
  const count = (await rowsOf('sessions')).length
  const mixed = new URLSearchParams(own)
  mixed.set('code', new URLSearchParams(stolen).get('code')!)
  const altered = new URLSearchParams(stolen)
  altered.set('state', new URLSearchParams(own).get('state')!)
  const refused = [
    await finishSignIn(api, stolen, thief.cookie),
    await finishSignIn(api, String(altered), victim.cookie),
    await finishSignIn(api, String(mixed), thief.cookie),
    await finishSignIn(api, 'error=access_denied', victim.cookie),
    await finishSignIn(api, '', victim.cookie),
  ]
  for (const { status, session } of refused) expect([status, session]).toEqual([401, undefined])
  const none = await finishSignIn(api, stolen, '')
  const forged = await finishSignIn(api, stolen, 'lockstep-step=AAAA')
  for (const { status, session } of [none, forged])
    expect([status, session]).toEqual([422, undefined])
  expect((await rowsOf('sessions')).length).toBe(count)
  const done = await signIn(email)
  expect(done.status).toBe(302)
  const twice = await finishSignIn(api, done.answer, done.begun.cookie)
  expect([twice.status, twice.session]).toEqual([401, undefined])
})

test('who has a second factor says its code too, before there is a session', async () => {
  const { id, email, cookie } = await join()
  const { secret } = (await api.ask(cookie, 'POST', '/v1/me/second-factor', { password })).json
  const code = totpCode(secret)
  await api.ask(cookie, 'POST', '/v1/me/second-factor/confirm', { code })
  await api.ask(cookie, 'DELETE', '/v1/session')
  const sessions = () =>
    stack.world.sql('select 1 from accounts.sessions where person_id = $1', [id])
  const done = await signIn(email)
  expect([done.status, done.location, done.session]).toEqual([302, '/sign-in/code', undefined])
  expect(await sessions()).toEqual([])
  const second = (word: string, step = done.step!) =>
    api.ask('', 'POST', '/v1/session/code', { code: word }, { cookie: step })
  expect((await second('000000')).status).toBe(401)
  expect((await second(totpCode(secret, 1), done.begun.cookie)).status).toBe(422)
  const entered = await second(totpCode(secret, 1))
  expect(entered.status).toBe(201)
  const session = entered.headers.getSetCookie().find((set) => set.startsWith('lockstep=ls_'))!
  expect((await me(session.split(';')[0]!)).json.person.id).toBe(id)
  expect((await second(totpCode(secret, 1))).status).toBe(401)
})

test('a step that took too long begins again', async () => {
  const { id, email, cookie } = await join()
  const { secret } = (await api.ask(cookie, 'POST', '/v1/me/second-factor', { password })).json
  const asked = { code: totpCode(secret) }
  await api.ask(cookie, 'POST', '/v1/me/second-factor/confirm', asked)
  const seal = (endsAtMs: number) => {
    const text = JSON.stringify({ value: { personId: id, accountId }, endsAtMs })
    const place = secretPlaces.signInTicket('code')
    return createSecrets(stack.world.encryptionKey).seal(text, place).toString('base64url')
  }
  const second = async (endsAtMs: number) => {
    const step = `lockstep-step=${seal(endsAtMs)}`
    const body = { code: totpCode(secret, 1) }
    return (await api.ask('', 'POST', '/v1/session/code', body, { cookie: step })).status
  }
  expect([await second(Date.now() - 1_000), await second(Date.now() + 60_000)]).toEqual([422, 201])
  expect((await signIn(email)).location).toBe('/sign-in/code')
})

test('somebody of several accounts chooses one of theirs, and no other', async () => {
  const { email } = await join()
  const other = await stack.account()
  const token = await stack.invite(other.accountId, 'admin', email)
  await api.ask('', 'POST', '/v1/invitations/accept', { token, password })
  const chosen = await signIn(email, { query: `?account_id=${other.accountId}` })
  expect((await me(chosen.session!)).json.account_id).toBe(other.accountId)
  const strange = await stack.account()
  const refused = await signIn(email, { query: `?account_id=${strange.accountId}` })
  expect([refused.status, refused.session]).toEqual([403, undefined])
})

test('who was taken out of their accounts comes in no more', async () => {
  const { id, email } = await join()
  await api.ask(owner.cookie, 'DELETE', `/v1/members/${id}`)
  const done = await signIn(email)
  expect([done.status, done.session]).toEqual([403, undefined])
})

test('without a provider, or while it is away, people are told so and sign in by password', async () => {
  await using none = await openStack(0.2)
  await using without = await openApi(none.config, {})
  expect((await open(without, '/sign-in/oidc')).json).toMatchObject({ code: 'precondition' })
  const away = { ...provider.environment, LOCKSTEP_OIDC_ISSUER: 'http://127.0.0.1:9' }
  await using gone = await openStack(0.2, away)
  await using still = await openApi(gone.config, {})
  const inTheClear = { ...away, LOCKSTEP_OIDC_ISSUER: 'http://login.example.com' }
  await expect(openStack(0.2, inTheClear)).rejects.toThrow(/must begin with https:/)
  const { status, json } = await open(still, '/sign-in/oidc')
  expect([status, json.code]).toEqual([503, 'busy'])
  const { accountId } = await gone.account()
  const { email } = await member(gone, still, accountId, 'viewer')
  expect(cookieOf(await still.ask('', 'POST', '/v1/session', { email, password }))).toMatch(/ls_/)
})
