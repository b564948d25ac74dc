import { withClient } from '@lockstep/database'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Api, cookieOf, member, openApi, openStack, password, type Stack } from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let accountId: string
let owner: { id: string; cookie: string }

beforeAll(async () => {
  stack = up.use(await openStack(0.2))
  api = up.use(await openApi(stack.config, {}))
  accountId = (await stack.account()).accountId
  owner = await join('owner')
})
afterAll(() => up.disposeAsync())

const join = (role: string, name?: string) => member(stack, api, accountId, role, name)
const signIn = (email: string, word = password) =>
  api.ask('', 'POST', '/v1/session', { email, password: word })
const look = async (cookie: string) => (await api.ask(cookie, 'GET', '/v1/me')).status
const invite = (email: string, role = 'viewer', by = owner.cookie) =>
  api.ask(by, 'POST', '/v1/invitations', { email, role })
const tokenIn = (link: string) => link.split('#')[1]!
const accept = (link: string) =>
  api.ask('', 'POST', '/v1/invitations/accept', { token: tokenIn(link), name: 'Eve', password })
const makeReset = (id: string, by = owner.cookie) =>
  api.ask(by, 'POST', `/v1/members/${id}/password-reset`)
const useReset = (link: string, word: string) =>
  api.ask('', 'POST', '/v1/password-resets/use', { token: tokenIn(link), password: word })
const other = 'another good password'

test('who is invited gets a link that is good once, and no other open link of theirs is', async () => {
  const [first, second] = [await invite('Eve@example.com'), await invite('eve@example.com')]
  expect(first.json.link).toMatch(/^http:.*\/invitation#li_[\w-]{43}$/)
  expect((await accept(second.json.link)).json.person.email).toBe('eve@example.com')
  expect((await accept(first.json.link)).status).toBe(404)
  expect((await accept(second.json.link)).status).toBe(404)
  const { invitations } = (await api.ask(owner.cookie, 'GET', '/v1/invitations')).json
  const of = ({ json }: typeof first) =>
    invitations.find(({ id }: { id: string }) => id === json.invitation.id)
  expect(of(first).withdrawn_at).not.toBeNull()
  expect(of(second).accepted_at).not.toBeNull()
  const kept = await stack.world.sql(
    "select string_agg(to_jsonb(i)::text, '') as text from accounts.invitations i",
  )
  expect(String(kept[0]!.text)).not.toContain(tokenIn(second.json.link))
})

test('an invitation can be withdrawn, until it is accepted, and is over after a week', async () => {
  const { json } = await invite('adam@example.com')
  const withdraw = (id: string) => api.ask(owner.cookie, 'POST', `/v1/invitations/${id}/withdraw`)
  const done = await withdraw(json.invitation.id)
  expect(done.json.withdrawn_at).not.toBeNull()
  expect((await withdraw(json.invitation.id)).json).toEqual(done.json)
  expect((await accept(json.link)).status).toBe(404)
  const late = (await invite('late@example.com')).json
  const end = 'update accounts.invitations set expires_at = now() where id = $1'
  await stack.world.sql(end, [late.invitation.id])
  expect((await accept(late.link)).status).toBe(404)
  const taken = (await invite('taken@example.com')).json
  expect((await accept(taken.link)).status).toBe(201)
  expect((await withdraw(taken.invitation.id)).json.code).toBe('conflict')
})

test('nobody invites to a role, ends an invitation, or makes a link of somebody, that may do more', async () => {
  const admin = await join('admin')
  const { json } = await invite('boss@example.com', 'owner')
  const refused = [
    await invite('boss2@example.com', 'owner', admin.cookie),
    await api.ask(admin.cookie, 'POST', `/v1/invitations/${json.invitation.id}/withdraw`),
    await makeReset(owner.id, admin.cookie),
  ]
  expect(refused.map(({ json }) => json.code)).toEqual(refused.map(() => 'forbidden'))
  expect((await invite('help@example.com', 'agent', admin.cookie)).status).toBe(201)
})

test('a link to another password is good once, and signs out whoever was signed in as its person', async () => {
  const { id, email, cookie } = await join('viewer')
  const [first, second] = [await makeReset(id), await makeReset(id)]
  expect(first.json.link).toMatch(/\/password-reset#lr_[\w-]{43}$/)
  expect((await useReset(first.json.link, 'short')).status).toBe(400)
  expect((await useReset(first.json.link, other)).json).toMatchObject({ id, email })
  expect((await useReset(first.json.link, other)).status).toBe(404)
  expect((await useReset(second.json.link, other)).status).toBe(404)
  await until(async () => (await look(cookie)) === 401, 1_000)
  expect([(await signIn(email)).status, (await signIn(email, other)).status]).toEqual([401, 201])
  const late = (await makeReset(id)).json.link
  await stack.world.sql('update accounts.password_resets set expires_at = now()')
  expect((await useReset(late, other)).status).toBe(404)
})

test('a new password opens a name that was locked', async () => {
  const { id, email } = await join('viewer')
  for (let i = 0; i < 11; i++) await signIn(email, 'not the right one')
  expect((await signIn(email)).status).toBe(429)
  await useReset((await makeReset(id)).json.link, other)
  expect((await signIn(email, other)).status).toBe(201)
})

test('no account opens another by a link for a person of both, made before they were of both or after; the operator can', async () => {
  const { id, email } = await join('viewer')
  const before = (await makeReset(id)).json.link
  const elsewhere = await stack.account()
  const token = await stack.invite(elsewhere.accountId, 'owner', email)
  await api.ask('', 'POST', '/v1/invitations/accept', { token, password })
  for (const refused of [await makeReset(id), await useReset(before, other)])
    expect([refused.status, refused.json.code]).toEqual([422, 'precondition'])
  expect((await signIn(email)).status).toBe(201)
  expect((await useReset(`#${await stack.resetToken(email)}`, other)).status).toBe(200)
  expect((await signIn(email, other)).status).toBe(201)
})

test('who changes their password says the one before, and goes on in this session only', async () => {
  const { email, cookie } = await join('viewer')
  const further = cookieOf(await signIn(email))
  const change = (word: string, next: string) =>
    api.ask(cookie, 'PUT', '/v1/me/password', { password: word, new_password: next })
  expect((await change('not the right one', other)).status).toBe(401)
  expect((await change(password, email)).status).toBe(400)
  expect((await change(password, other)).status).toBe(200)
  await until(async () => (await look(further)) === 401, 1_000)
  expect([await look(cookie), (await signIn(email, other)).status]).toEqual([200, 201])
})

test('a sign-in that meets a change of the password leaves no session of before', async () => {
  const { id, email } = await join('viewer')
  const waiting =
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename = 'accounts' and datname = current_database()"
  const signing = await withClient(stack.world.adminUrl, async (client) => {
    const run = (text: string) => client.query(text, [id])
    await client.query('begin')
    await run("update accounts.people set password_hash = password_hash || 'x' where id = $1")
    const begun = signIn(email)
    await until(async () => (await stack.world.sql(waiting)).length === 1)
    await run('delete from accounts.sessions where person_id = $1')
    await client.query('commit')
    return { begun }
  })
  expect((await signing.begun).status).toBe(401)
  const left = 'select 1 from accounts.sessions where person_id = $1'
  expect(await stack.world.sql(left, [id])).toEqual([])
})
