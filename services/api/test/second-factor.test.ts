import { withClient } from '@lockstep/database'
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
  untilBlocked,
  whileLocked,
} from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let accountId: string
let owner: { id: string; email: string; cookie: string }

beforeAll(async () => {
  stack = up.use(await openStack(0.2))
  api = up.use(await openApi(stack.config, {}))
  accountId = (await stack.account()).accountId
  owner = await join('owner')
})
afterAll(() => up.disposeAsync())

const path = '/v1/me/second-factor'
const join = (role: string, account = accountId) => member(stack, api, account, role)
const signIn = (email: string, code?: string, word = password) =>
  api.ask('', 'POST', '/v1/session', { email, password: word, code })
const look = async (cookie: string) => (await api.ask(cookie, 'GET', '/v1/me')).status
const start = (cookie: string, word = password) => api.ask(cookie, 'POST', path, { password: word })
const confirm = (cookie: string, code: string) =>
  api.ask(cookie, 'POST', `${path}/confirm`, { code })
const disable = (cookie: string, code: string, word = password) =>
  api.ask(cookie, 'POST', `${path}/disable`, { password: word, code })
const reset = (by: string, id: string) => api.ask(by, 'DELETE', `/v1/members/${id}/second-factor`)
const state = async (cookie: string) => (await api.ask(cookie, 'GET', path)).json
const sessions = (id: string) =>
  stack.world.sql('select 1 from accounts.sessions where person_id = $1', [id])
const codeOf = (reply: { status: number; json: { code?: string } }) => [
  reply.status,
  reply.json.code,
]

/** A member with a second factor; the code that confirmed it is used up. */
async function enrolled(role = 'viewer') {
  const person = await join(role)
  const { secret } = (await start(person.cookie)).json as { secret: string }
  const done = await confirm(person.cookie, totpCode(secret))
  if (done.status !== 200) throw new Error(JSON.stringify(done.json))
  const recovery: string[] = done.json.recovery_codes
  return { ...person, secret, recovery, next: () => totpCode(secret, 1) }
}

test('a second factor is set up by who says their password, asks for nothing before a code confirms it, and ends all sessions but the own one', async () => {
  const { id, email, cookie } = await join('viewer')
  expect((await start(cookie, 'not the right one')).status).toBe(401)
  const first = (await start(cookie)).json
  const made = await start(cookie)
  expect([made.status, made.json]).toEqual([
    201,
    { secret: expect.stringMatching(/^[A-Z2-7]{32}$/), uri: expect.any(String) },
  ])
  const uri = new URL(made.json.uri)
  expect([uri.protocol, uri.host, decodeURIComponent(uri.pathname)]).toEqual([
    'otpauth:',
    'totp',
    `/Lockstep:${email}`,
  ])
  expect(uri.searchParams.get('secret')).toBe(made.json.secret)
  const further = cookieOf(await signIn(email))
  expect(await state(cookie)).toEqual({ confirmed_at: null, recovery_codes_left: 0 })
  expect(codeOf(await confirm(cookie, totpCode(first.secret)))).toEqual([401, 'unauthenticated'])
  const done = await confirm(cookie, totpCode(made.json.secret))
  expect(done.json.recovery_codes).toHaveLength(10)
  expect(new Set(done.json.recovery_codes).size).toBe(10)
  await until(async () => (await look(further)) === 401, 1_000)
  expect([await look(cookie), (await sessions(id)).length]).toEqual([200, 1])
  expect(await state(cookie)).toEqual({
    confirmed_at: expect.any(String),
    recovery_codes_left: 10,
  })
  expect(codeOf(await start(cookie))).toEqual([409, 'conflict'])
  expect(codeOf(await confirm(cookie, totpCode(made.json.secret, 1)))).toEqual([
    422,
    'precondition',
  ])
  const kept = await stack.world.sql<{ text: string }>(
    "select encode(sealed_secret, 'escape') as text from accounts.second_factors union all select encode(hash, 'escape') from accounts.recovery_codes",
  )
  const text = kept.map((row) => row.text).join(' ')
  for (const secret of [made.json.secret, ...done.json.recovery_codes])
    expect(text).not.toContain(secret)
})

test('signing in asks for a code, which is good once, also when two use it at the same moment', async () => {
  const { id, email, next } = await enrolled()
  const before = (await sessions(id)).length
  expect(codeOf(await signIn(email))).toEqual([422, 'precondition'])
  expect(codeOf(await signIn(email, '000000'))).toEqual([401, 'unauthenticated'])
  expect(codeOf(await signIn(email, next(), 'not the right one'))).toEqual([401, 'unauthenticated'])
  expect((await sessions(id)).length).toBe(before)
  const code = next()
  const both = await Promise.all(Array.from({ length: 5 }, () => signIn(email, code)))
  expect(both.map(({ status }) => status).sort()).toEqual([201, 401, 401, 401, 401])
  expect((await sessions(id)).length).toBe(before + 1)
  expect((await signIn(email, code)).status).toBe(401)
})

test('a code of before is not good after a later one', async () => {
  const { email, secret, next } = await enrolled()
  expect((await signIn(email, next())).status).toBe(201)
  expect((await signIn(email, totpCode(secret))).status).toBe(401)
})

test('a recovery code is good once in place of a code, however it is typed', async () => {
  const { id, email, recovery } = await enrolled()
  const typed = recovery[3]!.toUpperCase().replaceAll('-', ' ')
  const tries = await Promise.all(Array.from({ length: 3 }, () => signIn(email, typed)))
  expect(tries.map(({ status }) => status).sort()).toEqual([201, 401, 401])
  const done = tries.find(({ status }) => status === 201)!
  expect(await state(cookieOf(done))).toMatchObject({ recovery_codes_left: 9 })
  const { entries } = (
    await api.ask(owner.cookie, 'GET', `/v1/audit-log?action=signIn&actor_id=${id}`)
  ).json
  expect(entries[0].after).toEqual({ recovery_codes_left: 9 })
})

test('ten wrong codes lock the next, however many come at once, and each wrong one is in the audit log', async () => {
  const { id, email, next } = await enrolled()
  const tries = await Promise.all(Array.from({ length: 20 }, () => signIn(email, '000000')))
  const count = (status: number) => tries.filter((reply) => reply.status === status).length
  expect([count(401), count(429)]).toEqual([10, 10])
  expect(codeOf(await signIn(email, next()))).toEqual([429, 'throttled'])
  const asked = `/v1/audit-log?action=codeRefused&target_id=${id}`
  await until(
    async () => (await api.ask(owner.cookie, 'GET', asked)).json.entries.length === 10,
    5_000,
  )
  await stack.world.sql("update accounts.sign_in_counts set since = since - interval '16 minutes'")
  expect((await signIn(email, next())).status).toBe(201)
})

test('who disables it says password and code, and signs in with the password alone', async () => {
  const { email, cookie, next } = await enrolled()
  expect(codeOf(await disable(cookie, next(), 'not the right one'))).toEqual([
    401,
    'unauthenticated',
  ])
  expect(codeOf(await disable(cookie, '000000'))).toEqual([401, 'unauthenticated'])
  expect((await state(cookie)).confirmed_at).not.toBeNull()
  const done = await disable(cookie, next())
  expect([done.status, done.json]).toEqual([200, { confirmed_at: null, recovery_codes_left: 0 }])
  expect((await signIn(email)).status).toBe(201)
  expect(codeOf(await disable(cookie, next()))).toEqual([422, 'precondition'])
})

test('an owner takes that of another member away; nobody that of who may do more, nor their own, nor that of a person of two accounts', async () => {
  const admin = await join('admin')
  const boss = await enrolled('owner')
  const lost = await enrolled()
  expect(codeOf(await reset(admin.cookie, boss.id))).toEqual([403, 'forbidden'])
  expect(codeOf(await reset(boss.cookie, boss.id))).toEqual([409, 'conflict'])
  const listed = async (id: string) =>
    (await api.ask(owner.cookie, 'GET', '/v1/members')).json.members.find(
      (one: { id: string }) => one.id === id,
    ).has_second_factor
  expect([await listed(lost.id), await listed(admin.id)]).toEqual([true, false])
  expect((await reset(owner.cookie, lost.id)).json).toMatchObject({ has_second_factor: false })
  expect([await listed(lost.id), (await signIn(lost.email)).status]).toEqual([false, 201])
  const elsewhere = await stack.account()
  const token = await stack.invite(elsewhere.accountId, 'viewer', boss.email)
  const accept = (code?: string) =>
    api.ask('', 'POST', '/v1/invitations/accept', { token, password, code })
  expect(codeOf(await accept())).toEqual([422, 'precondition'])
  expect(codeOf(await accept('000000'))).toEqual([401, 'unauthenticated'])
  expect((await accept(boss.next())).status).toBe(201)
  expect(codeOf(await reset(owner.cookie, boss.id))).toEqual([422, 'precondition'])
  await stack.resetSecondFactor(boss.email)
  expect((await signIn(boss.email)).status).toBe(201)
})

test('another password by a link does not open what a code protects', async () => {
  const { email } = await enrolled()
  const token = await stack.resetToken(email)
  const other = 'another good password'
  const used = await api.ask('', 'POST', '/v1/password-resets/use', { token, password: other })
  expect(used.status).toBe(200)
  expect(codeOf(await signIn(email, undefined, other))).toEqual([422, 'precondition'])
})

const waiting =
  "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename = 'accounts' and datname = current_database()"
const untilWaiting = (count: number) =>
  until(async () => (await stack.world.sql(waiting)).length === count)

test('a sign-in that meets the confirmation leaves no session without a code', async () => {
  const { id, email, cookie } = await join('viewer')
  const { secret } = (await start(cookie)).json
  const replies = await withClient(stack.world.adminUrl, async (client) => {
    await client.query('begin')
    await client.query('select 1 from accounts.people where id = $1 for update', [id])
    const confirming = confirm(cookie, totpCode(secret))
    await untilWaiting(1)
    const signing = signIn(email)
    await untilWaiting(2)
    await client.query('rollback')
    return { confirming, signing }
  })
  expect((await replies.confirming).status).toBe(200)
  const { status } = await replies.signing
  expect([201, 422]).toContain(status)
  expect(await sessions(id)).toHaveLength(1)
})

test('a sign-in that began before there was a second factor is ended by its confirmation', async () => {
  const { id, email, cookie } = await join('viewer')
  const { secret } = (await start(cookie)).json
  const columns = 'id, account_id, sealed_secret, created_at, last_step'
  const taken = `delete from accounts.second_factors where id = $1 returning ${columns}`
  const [row] = await stack.world.sql(taken, [id])
  const { signing, confirming } = await whileLocked(
    stack.world,
    'accounts.audit_entries',
    async () => {
      const signing = signIn(email)
      await untilBlocked(stack.world, 'accounts.audit_entries')
      const put = `insert into accounts.second_factors (${columns}) values ($1, $2, $3, $4, $5)`
      await stack.world.sql(put, Object.values(row!))
      const confirming = confirm(cookie, totpCode(secret))
      await untilWaiting(2)
      return { signing, confirming }
    },
  )
  expect([(await signing).status, (await confirming).status]).toEqual([201, 200])
  expect(await sessions(id)).toHaveLength(1)
})

test('every change is in the audit log, and no secret of it', async () => {
  const { id, cookie, secret, recovery, next } = await enrolled()
  await disable(cookie, next())
  await start(cookie)
  const { entries } = (
    await api.ask(owner.cookie, 'GET', `/v1/audit-log?target_id=${id}&limit=100`)
  ).json
  const actions = entries.map(({ action }: { action: string }) => action)
  expect(actions).toEqual([
    'startSecondFactor',
    'disableSecondFactor',
    'confirmSecondFactor',
    'startSecondFactor',
    'acceptInvitation',
  ])
  const text = JSON.stringify(entries)
  for (const word of [secret, ...recovery, password]) expect(text).not.toContain(word)
})
