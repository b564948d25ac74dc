import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { times } from '../../accounts/src/times.ts'
import { type Api, cookieOf, member, openApi, openStack, password, type Stack } from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let accountId: string
/** Long enough that a name stays locked, however busy the machine is. */
const scale = 0.2

beforeAll(async () => {
  stack = up.use(await openStack(scale))
  api = up.use(await openApi(stack.config, {}))
  accountId = (await stack.account()).accountId
})
afterAll(() => up.disposeAsync())

const join = (role: string, name?: string, account = accountId) =>
  member(stack, api, account, role, name)
const signIn = (email: string, more: object = {}, headers: Record<string, string> = {}) =>
  api.ask('', 'POST', '/v1/session', { email, password, ...more }, headers)
const look = async (cookie: string, path = '/v1/me') => (await api.ask(cookie, 'GET', path)).status

test('a set-up link makes the first owner, once, and no other password exists', async () => {
  const { accountId } = await stack.account()
  const token = await stack.invite(accountId, 'owner')
  const people = () =>
    stack.world.sql('select 1 from accounts.members where account_id = $1', [accountId])
  expect(await people()).toEqual([])
  const asked = (n = 1) => ({ token, email: ` Owner-${n}@Example.com`, name: 'Owner', password })
  const replies = await Promise.all(
    [1, 2, 3].map((n) => api.ask('', 'POST', '/v1/invitations/accept', asked(n))),
  )
  expect(replies.map(({ status }) => status).filter((status) => status === 201)).toHaveLength(1)
  expect(await people()).toHaveLength(1)
  const done = replies.find(({ status }) => status === 201)!
  expect(done.json.person).toMatchObject({
    email: expect.stringMatching(/^owner-\d@/),
    name: 'Owner',
  })
  expect(JSON.stringify(done.json)).not.toMatch(/ls_|argon/)
  expect((await api.ask(cookieOf(done), 'GET', '/v1/me')).json).toMatchObject({
    account_id: accountId,
    rights: ['*'],
    person: done.json.person,
    accounts: [{ account_id: accountId, name: 'Acme', role: 'owner' }],
  })
  const again = await api.ask('', 'POST', '/v1/invitations/accept', asked())
  expect([again.status, again.json.code]).toEqual([404, 'not_found'])
})

test('a weak password, another e-mail and an unknown token are refused in words, and use the link not up', async () => {
  const token = await stack.invite(accountId, 'viewer', 'eve@example.com')
  const accept = (more: object) =>
    api.ask('', 'POST', '/v1/invitations/accept', { token, name: 'Eve', password, ...more })
  for (const [more, status] of [
    [{ password: 'short' }, 400],
    [{ email: 'eva@example.com' }, 400],
    [{ token: `li_${'x'.repeat(43)}` }, 404],
    [{ name: undefined }, 400],
  ] as const)
    expect([more, (await accept(more)).status]).toEqual([more, status])
  expect((await accept({})).status).toBe(201)
})

test('a person signs in and out; each session has a token of its own, stored as a hash, and one that the browser had ends', async () => {
  const { email, cookie: first } = await join('viewer')
  const done = await signIn(email.toUpperCase(), {}, { cookie: first })
  expect(done.status).toBe(201)
  const cookie = cookieOf(done)
  expect(done.headers.get('set-cookie')).toMatch(
    /^lockstep=ls_[\w-]{43}; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/,
  )
  expect(cookie).not.toBe(first)
  expect([await look(first), await look(cookie)]).toEqual([401, 200])
  const [row] = await stack.world.sql(
    "select string_agg(to_jsonb(s)::text, '') as text from accounts.sessions s",
  )
  expect(String(row!.text)).not.toContain(cookie.split('=')[1])
  const out = await api.ask(cookie, 'DELETE', '/v1/session')
  expect([out.status, out.json, cookieOf(out)]).toEqual([200, { ended: 1 }, 'lockstep='])
  expect(await look(cookie)).toBe(401)
})

test('a token that somebody planted in a browser is never taken over', async () => {
  const { email } = await join('viewer')
  const planted = `lockstep=ls_${'A'.repeat(43)}`
  const done = await signIn(email, {}, { cookie: planted })
  expect(cookieOf(done)).not.toBe(planted)
  expect(await look(planted)).toBe(401)
})

test('over TLS the cookie has the prefix that only this host can set, and is never sent in the clear', async () => {
  const config = { ...stack.config, publicUrl: 'https://lockstep.example.com' }
  await using secure = await openApi(config, {})
  const { email } = await join('viewer')
  const done = await secure.ask('', 'POST', '/v1/session', { email, password })
  expect(done.headers.get('set-cookie')).toMatch(
    /^__Host-lockstep=ls_[\w-]{43}; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/,
  )
  const [name, value] = cookieOf(done).split('=')
  const asks = async (cookie: string) =>
    (await secure.ask('', 'GET', '/v1/me', undefined, { cookie })).status
  expect([await asks(`${name}=${value}`), await asks(`lockstep=${value}`)]).toEqual([200, 401])
})

test('a wrong password and an unknown name get the same answer, after the same time', async () => {
  const { email } = await join('viewer')
  const times: Record<string, number[]> = { known: [], unknown: [] }
  const bodies = new Set<string>()
  for (let i = 0; i < 5; i++)
    for (const [kind, name] of [
      ['known', email],
      ['unknown', `nobody-${i}@example.com`],
    ] as const) {
      const begun = performance.now()
      const { status, json } = await signIn(name, { password: 'not the right one' })
      times[kind]!.push(performance.now() - begun)
      bodies.add(JSON.stringify([status, json.code, json.detail]))
    }
  expect([...bodies]).toEqual(['[401,"unauthenticated","The e-mail or the password is wrong"]'])
  const median = (all: number[]) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)]!
  const ratio = median(times.known!) / median(times.unknown!)
  // Without a hash for nobody it would be over five.
  expect(ratio).toBeGreaterThan(1 / 2.5)
  expect(ratio).toBeLessThan(2.5)
})

test('a name is locked for a time after ten wrong tries, however many come at once, and whatever the password is then', async () => {
  const { email } = await join('viewer')
  const tries = await Promise.all(
    Array.from({ length: 20 }, () => signIn(email, { password: 'not the right one' })),
  )
  const statuses = tries.map(({ status }) => status)
  expect(statuses.filter((status) => status === 401)).toHaveLength(10)
  expect(statuses.filter((status) => status === 429)).toHaveLength(10)
  const right = await signIn(email)
  expect([right.status, right.json.code]).toEqual([429, 'throttled'])
  await stack.world.sql("update accounts.sign_in_counts set since = since - interval '16 minutes'")
  expect((await signIn(email)).status).toBe(201)
})

test('an address is locked after a hundred wrong tries of whatever names, also behind a proxy that is trusted', async () => {
  await using proxied = await openApi({ ...stack.config, trustedProxies: ['127.0.0.1'] }, {})
  const { email } = await join('viewer')
  const from = async (address: string, name: string, word = 'not the right one') => {
    const headers = { 'x-forwarded-for': address }
    const body = { email: name, password: word }
    return (await proxied.ask('', 'POST', '/v1/session', body, headers)).status
  }
  expect(await from('2001:db8::1', 'one@example.com')).toBe(401)
  await stack.world.sql('update accounts.sign_in_counts set tries = 99')
  expect(await from('2001:db8::2', 'two@example.com')).toBe(401)
  expect(await from('2001:db8:0:0:1::', email, password)).toBe(429)
  expect(await from('2001:db8:1::', email, password)).toBe(201)
  await stack.world.sql('delete from accounts.sign_in_counts')
})

test('no page of another site can do anything with the cookie, nor sign somebody in', async () => {
  const { email, cookie } = await join('owner')
  const foreign: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
  ]
  for (const headers of foreign) {
    const ends = await api.ask(cookie, 'DELETE', '/v1/sessions', undefined, headers)
    expect([headers, ends.status, ends.json.code]).toEqual([headers, 403, 'forbidden'])
    expect((await signIn(email, {}, headers)).status).toBe(403)
  }
  expect(await look(cookie)).toBe(200)
  const ours: Record<string, string>[] = [{ 'sec-fetch-site': 'same-origin' }, { origin: api.url }]
  for (const headers of ours) expect((await signIn(email, {}, headers)).status).toBe(201)
})

test('sessions are listed with where they came from, and ended one by one or all at once', async () => {
  const { id, email, cookie } = await join('viewer')
  const other = cookieOf(await signIn(email, {}, { 'user-agent': 'Phone' }))
  const listed = (await api.ask(cookie, 'GET', '/v1/sessions')).json.sessions
  expect(listed.map((each: { origin: object }) => each.origin)).toEqual([
    { address: '127.0.0.1', user_agent: 'Phone' },
    { address: '127.0.0.1', user_agent: expect.any(String) },
  ])
  const stranger = await join('viewer')
  const theirs = await api.ask(cookie, 'DELETE', `/v1/sessions/${stranger.sessionId}`)
  expect(theirs.status).toBe(404)
  expect((await api.ask(cookie, 'DELETE', `/v1/sessions/${listed[0].id}`)).json).toEqual({
    ended: 1,
  })
  await until(async () => (await look(other)) === 401, 1_000)
  await signIn(email)
  expect((await api.ask(cookie, 'DELETE', '/v1/sessions')).json).toEqual({ ended: 2 })
  expect([await look(cookie), await look(stranger.cookie)]).toEqual([401, 200])
  expect(
    await stack.world.sql('select 1 from accounts.sessions where person_id = $1', [id]),
  ).toEqual([])
})

test('a session ends when it is not used, and at its last hour although it is', async () => {
  const { id, cookie } = await join('viewer')
  const [unused, minute] = [times.sessionUnusedMs * scale, 60_000]
  const shift = (ms: number) =>
    stack.world.sql(
      "update accounts.sessions set last_used_at = now() - $1 * interval '1 ms' where person_id = $2",
      [ms, id],
    )
  await shift(unused - minute)
  expect(await look(cookie)).toBe(200)
  await shift(unused + minute)
  await until(async () => (await look(cookie)) === 401, 1_000)
  const { id: other, cookie: second } = await join('viewer')
  await stack.world.sql(
    "update accounts.sessions set ends_at = now() - interval '1 second' where person_id = $1",
    [other],
  )
  expect(await look(second)).toBe(401)
})

test('another role counts within a second in every process, and ends the sessions that had the one before', async () => {
  await using further = await openApi(stack.config, {})
  const owner = await join('owner')
  const { id, email, cookie } = await join('admin')
  const asks = (path = '/v1/api-keys') => further.ask(cookie, 'GET', path)
  expect((await asks()).status).toBe(200)
  const demoted = await api.ask(owner.cookie, 'PUT', `/v1/members/${id}/role`, { role: 'viewer' })
  expect(demoted.json).toMatchObject({ id, role: 'viewer' })
  await until(async () => (await asks()).status === 401, 1_000)
  const again = cookieOf(await signIn(email))
  const refused = await api.ask(again, 'GET', '/v1/api-keys')
  expect([refused.status, refused.json.detail]).toEqual([
    403,
    expect.stringContaining('"keys.read"'),
  ])
  expect((await api.ask(again, 'GET', '/v1/campaigns')).status).toBe(200)
})

test('who is taken out is signed out within a second, and can sign in to no account but their others', async () => {
  const other = await stack.account()
  const { id, email, cookie } = await join('viewer')
  const token = await stack.invite(other.accountId, 'admin', email)
  const joined = await api.ask('', 'POST', '/v1/invitations/accept', { token, password })
  expect([joined.status, joined.json.person.id]).toEqual([201, id])
  const owner = await join('owner')
  expect((await api.ask(owner.cookie, 'DELETE', `/v1/members/${id}`)).status).toBe(200)
  await until(async () => (await look(cookie)) === 401, 1_000)
  expect((await signIn(email, { account_id: accountId })).status).toBe(401)
  const elsewhere = await signIn(email)
  expect([elsewhere.status, elsewhere.json.account_id]).toEqual([201, other.accountId])
  expect((await api.ask(owner.cookie, 'DELETE', `/v1/members/${id}`)).status).toBe(404)
})

test('who is known accepts with their password only', async () => {
  const { email } = await join('viewer')
  const other = await stack.account()
  const token = await stack.invite(other.accountId, 'viewer', email)
  const accept = (word: string) =>
    api.ask('', 'POST', '/v1/invitations/accept', { token, name: 'X', password: word })
  expect((await accept('another password')).status).toBe(401)
  expect((await accept(password)).status).toBe(201)
})

test('nobody gives or takes a role that may do more than they may', async () => {
  const { accountId } = await stack.account()
  const owner = await join('owner', 'Olga', accountId)
  const admin = await join('admin', 'Ada', accountId)
  const viewer = await join('viewer', 'Vera', accountId)
  const asks = [
    ['PUT', `/v1/members/${viewer.id}/role`, { role: 'owner' }],
    ['PUT', `/v1/members/${admin.id}/role`, { role: 'owner' }],
    ['PUT', `/v1/members/${owner.id}/role`, { role: 'viewer' }],
    ['DELETE', `/v1/members/${owner.id}`, undefined],
  ] as const
  for (const [method, path, body] of asks)
    expect([path, (await api.ask(admin.cookie, method, path, body)).status]).toEqual([path, 403])
  const roles = async () =>
    (await api.ask(owner.cookie, 'GET', '/v1/members')).json.members.map(
      ({ name, role }: Record<string, string>) => [name, role],
    )
  expect(await roles()).toEqual([
    ['Olga', 'owner'],
    ['Ada', 'admin'],
    ['Vera', 'viewer'],
  ])
  expect(
    (await api.ask(admin.cookie, 'PUT', `/v1/members/${viewer.id}/role`, { role: 'admin' })).status,
  ).toBe(200)
})

test('an account keeps an owner, also when two demote one another at once', async () => {
  const { accountId } = await stack.account()
  const [one, two] = [await join('owner', 'One', accountId), await join('owner', 'Two', accountId)]
  const owners = async () =>
    (
      await stack.world.sql<{ id: string }>(
        "select person_id as id from accounts.members where account_id = $1 and role = 'owner'",
        [accountId],
      )
    ).map(({ id }) => id)
  const demote = (by: string, id: string) =>
    api.ask(by, 'PUT', `/v1/members/${id}/role`, { role: 'admin' })
  await Promise.all([demote(one.cookie, two.id), demote(two.cookie, one.id)])
  const [left, ...more] = await owners()
  expect(more).toEqual([])
  const last = left === one.id ? one : two
  const cookie = cookieOf(await signIn(last.email))
  for (const reply of [
    await demote(cookie, last.id),
    await api.ask(cookie, 'DELETE', `/v1/members/${last.id}`),
  ])
    expect([reply.status, reply.json.code]).toEqual([409, 'conflict'])
  expect(
    (await api.ask(cookie, 'PUT', `/v1/members/${last.id}/role`, { role: 'owner' })).status,
  ).toBe(200)
  expect(await owners()).toEqual([last.id])
})

test('a key says who it is, and is no person', async () => {
  const { accountId, key } = await stack.account()
  expect((await api.ask(key, 'GET', '/v1/me')).json).toMatchObject({
    account_id: accountId,
    rights: ['*'],
    api_key_id: expect.any(String),
    person: null,
    accounts: [],
  })
  const { cookie } = await join('viewer')
  const both = await api.ask(key, 'GET', '/v1/sessions', undefined, { cookie })
  expect([both.status, both.json.code]).toEqual([403, 'forbidden'])
})
