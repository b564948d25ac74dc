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
  type Reply,
  type Stack,
} from './fixtures.ts'

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

let names = 0
const join = (role: string, account = accountId) => member(stack, api, account, role)
const create = (rights: string[], by = owner.cookie, name = `Role ${++names}`) =>
  api.ask(by, 'POST', '/v1/roles', { name, rights })
const change = (id: string, body: object, by = owner.cookie) =>
  api.ask(by, 'PATCH', `/v1/roles/${id}`, body)
const remove = (id: string, by = owner.cookie) => api.ask(by, 'DELETE', `/v1/roles/${id}`)
const give = (id: string, role: string, by = owner.cookie) =>
  api.ask(by, 'PUT', `/v1/members/${id}/role`, { role })
const invite = (email: string, role: string, by = owner.cookie) =>
  api.ask(by, 'POST', '/v1/invitations', { email, role })
const codeOf = ({ status, json }: { status: number; json: { code?: string } }) => [
  status,
  json.code,
]

test('an account has roles of its own, beside those of every account, each with rights of the table', async () => {
  const made = await create(
    ['contacts.read', 'campaigns.read', 'contacts.read'],
    undefined,
    'Night',
  )
  expect([made.status, made.json]).toEqual([
    201,
    {
      id: expect.any(String),
      name: 'Night',
      rights: ['campaigns.read', 'contacts.read'],
      created_at: expect.any(String),
    },
  ])
  const listed = (await api.ask(owner.cookie, 'GET', '/v1/roles')).json
  expect(listed.built_in.map(({ name }: { name: string }) => name)).toContain('viewer')
  expect(listed.roles).toEqual([made.json])
  expect(codeOf(await create(['contacts.read'], undefined, 'nIGHT'))).toEqual([409, 'conflict'])
  expect(codeOf(await create(['contacts.read'], undefined, 'Owner'))).toEqual([409, 'conflict'])
  for (const rights of [[], ['*'], ['nothing']])
    expect(codeOf(await create(rights))).toEqual([400, 'invalid'])
  const other = await join('owner', (await stack.account()).accountId)
  expect((await api.ask(other.cookie, 'GET', '/v1/roles')).json.roles).toEqual([])
  expect((await change(made.json.id, { name: 'Mine' }, other.cookie)).status).toBe(404)
})

test('an invitation brings its role, which lets a person do what it says and nothing else', async () => {
  const { json: role } = await create(['conversations.read'])
  const invited = await invite('ana@example.com', role.name)
  expect(invited.json.invitation.role).toBe(role.name)
  const token = invited.json.link.split('#')[1]
  const joined = await api.ask('', 'POST', '/v1/invitations/accept', {
    token,
    name: 'Ana',
    password,
  })
  const cookie = cookieOf(joined)
  const me = (await api.ask(cookie, 'GET', '/v1/me')).json
  expect([me.rights, me.accounts[0].role]).toEqual([['conversations.read'], role.name])
  expect((await api.ask(cookie, 'GET', '/v1/conversations')).status).toBe(200)
  expect((await api.ask(cookie, 'GET', '/v1/campaigns')).status).toBe(403)
  const unknown = await invite('bo@example.com', 'Nobody')
  expect([unknown.status, unknown.json.detail]).toEqual([
    400,
    expect.stringContaining(`there are owner, admin`),
  ])
  expect(unknown.json.detail).toContain(role.name)
})

test('a role that changes acts within a second in every process, on sessions that go on', async () => {
  await using further = await openApi(stack.config, {})
  const { json: role } = await create(['campaigns.read'])
  const { cookie } = await join(role.name)
  const asks = async (path: string) => (await further.ask(cookie, 'GET', path)).status
  expect([await asks('/v1/campaigns'), await asks('/v1/contacts')]).toEqual([200, 403])
  expect((await change(role.id, { rights: ['contacts.read'] })).status).toBe(200)
  await until(async () => (await asks('/v1/contacts')) === 200, 1_000)
  expect(await asks('/v1/campaigns')).toBe(403)
  const renamed = await change(role.id, { name: 'Day shift' })
  expect(renamed.json).toMatchObject({ name: 'Day shift', rights: ['contacts.read'] })
  expect((await api.ask(cookie, 'GET', '/v1/me')).json.accounts[0].role).toBe('Day shift')
})

test('nobody makes, changes, deletes or gives a role that may do more than they may', async () => {
  const { json: small } = await create(['members.write', 'contacts.read'])
  const { json: large } = await create(['members.write', 'keys.write'])
  const ana = await join(small.name)
  const bo = await join(small.name)
  const refused = [
    await create(['keys.write'], ana.cookie),
    await change(small.id, { rights: ['members.write', 'keys.write'] }, ana.cookie),
    await change(large.id, { rights: ['members.write'] }, ana.cookie),
    await change(large.id, { name: 'Ours' }, ana.cookie),
    await remove(large.id, ana.cookie),
    await give(bo.id, large.name, ana.cookie),
    await invite('cleo@example.com', large.name, ana.cookie),
    await give(bo.id, 'viewer', ana.cookie),
  ]
  expect(refused.map(codeOf)).toEqual(refused.map(() => [403, 'forbidden']))
  expect((await create(['contacts.read'], ana.cookie)).status).toBe(201)
  await give(bo.id, large.name)
  expect(codeOf(await give(bo.id, small.name, ana.cookie))).toEqual([403, 'forbidden'])
})

test('a role in use is not deleted, and its users are named; an invitation that is over does not use it', async () => {
  const { json: role } = await create(['contacts.read'])
  const person = await join(role.name)
  const { json } = await invite('dan@example.com', role.name)
  const refused = await remove(role.id)
  expect(codeOf(refused)).toEqual([409, 'conflict'])
  expect(refused.json.detail).toContain(`${person.email}, dan@example.com`)
  await give(person.id, 'viewer')
  expect((await remove(role.id)).json.detail).toContain('in use by dan@example.com;')
  await api.ask(owner.cookie, 'POST', `/v1/invitations/${json.invitation.id}/withdraw`)
  expect((await remove(role.id)).json).toMatchObject({ id: role.id, name: role.name })
  expect((await remove(role.id)).status).toBe(404)
  const { invitations } = (await api.ask(owner.cookie, 'GET', '/v1/invitations')).json
  const kept = invitations.find(({ id }: { id: string }) => id === json.invitation.id)
  expect(kept.role).toBe(role.name)
  expect((await give(person.id, role.name)).status).toBe(400)
})

const waiting =
  "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename = 'accounts' and datname = current_database()"
const untilWaiting = (count: number) =>
  until(async () => (await stack.world.sql(waiting)).length === count)

/** Two requests that wait for a role's row, the first before the second. */
const meet = (id: string, first: () => Promise<Reply>, second: () => Promise<Reply>) =>
  withClient(stack.world.adminUrl, async (client) => {
    await client.query('begin')
    await client.query('select 1 from accounts.roles where id = $1 for update', [id])
    const one = first()
    await untilWaiting(1)
    const other = second()
    await untilWaiting(2)
    await client.query('rollback')
    return Promise.all([one, other])
  })

test('a role that grows while somebody gives it is compared as it is then', async () => {
  const { json: role } = await create(['contacts.read'])
  const { json: giver } = await create(['members.write', 'contacts.read'])
  const [ana, bo] = [await join(giver.name), await join(giver.name)]
  const [changed, given] = await meet(
    role.id,
    () => change(role.id, { rights: ['keys.read'] }),
    () => give(bo.id, role.name, ana.cookie),
  )
  expect([changed.status, codeOf(given)]).toEqual([200, [403, 'forbidden']])
})

test('a role that is deleted while somebody gives it is not there any more', async () => {
  const { json: role } = await create(['contacts.read'])
  const { id } = await join('viewer')
  const [gone, given] = await meet(
    role.id,
    () => remove(role.id),
    () => give(id, role.name),
  )
  expect([gone.status, given.status]).toEqual([200, 400])
  const { json: other } = await create(['contacts.read'])
  const [first, second] = await meet(
    other.id,
    () => give(id, other.name),
    () => remove(other.id),
  )
  expect([first.status, codeOf(second)]).toEqual([200, [409, 'conflict']])
})

test('what was done to roles is in the audit log, before and after', async () => {
  const { json: role } = await create(['contacts.read'])
  await change(role.id, { rights: ['campaigns.read'] })
  await change(role.id, { rights: ['campaigns.read'] })
  await remove(role.id)
  const { entries } = (await api.ask(owner.cookie, 'GET', `/v1/audit-log?target_id=${role.id}`))
    .json
  expect(
    entries.map(({ action, before, after }: Record<string, unknown>) => [action, before, after]),
  ).toEqual([
    ['deleteRole', { name: role.name, rights: ['campaigns.read'] }, null],
    [
      'updateRole',
      { name: role.name, rights: ['contacts.read'] },
      { name: role.name, rights: ['campaigns.read'] },
    ],
    ['createRole', null, { name: role.name, rights: ['contacts.read'] }],
  ])
})
