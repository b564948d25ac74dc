import type { AuditEntry } from '@lockstep/client'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Api,
  cookieOf,
  draft,
  openApi,
  openStack,
  password,
  type Stack,
  tenant,
} from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let owner: { id: string; cookie: string; accountId: string }
let mine: Awaited<ReturnType<typeof tenant>>

beforeAll(async () => {
  stack = up.use(await openStack(0.2))
  api = up.use(await openApi(stack.config, {}))
  mine = await tenant(stack, api, '9601')
  const token = await stack.invite(mine.accountId, 'owner', 'olga@example.com')
  const done = await accept(token, 'Olga')
  owner = { id: done.json.person.id, cookie: cookieOf(done), accountId: mine.accountId }
})
afterAll(() => up.disposeAsync())

const accept = (token: string, name: string) =>
  api.ask('', 'POST', '/v1/invitations/accept', { token, name, password })
const signIn = (email: string, word = password) =>
  api.ask('', 'POST', '/v1/session', { email, password: word })

const log = async (query = ''): Promise<AuditEntry[]> =>
  (await api.ask(owner.cookie, 'GET', `/v1/audit-log?limit=1000&${query}`)).json.entries
const inOrder = (entries: AuditEntry[]) => entries.map(({ action }) => action).reverse()

test('a person is invited, signs in, is demoted and is locked out, and each is seen in the audit log', async () => {
  const asked = { email: 'ana@example.com', role: 'admin' }
  const invited = await api.ask(owner.cookie, 'POST', '/v1/invitations', asked)
  const joined = await accept(invited.json.link.split('#')[1], 'Ana')
  const { id } = joined.json.person
  const signedIn = await signIn('ana@example.com')
  const rights = async (cookie: string) => (await api.ask(cookie, 'GET', '/v1/api-keys')).status
  expect(await rights(cookieOf(signedIn))).toBe(200)
  await api.ask(
    owner.cookie,
    'PUT',
    `/v1/members/${id}/role`,
    { role: 'viewer' },
    { 'x-request-id': 'demotion' },
  )
  await until(async () => (await rights(cookieOf(signedIn))) === 401, 1_000)
  const again = await signIn('ana@example.com')
  expect(await rights(cookieOf(again))).toBe(403)
  for (let i = 0; i < 11; i++) await signIn('ana@example.com', 'not the right one')
  expect((await signIn('ana@example.com')).status).toBe(429)
  await api.ask(owner.cookie, 'DELETE', `/v1/members/${id}`)
  await until(async () => (await rights(cookieOf(again))) === 401, 1_000)
  expect((await signIn('ana@example.com')).status).toBe(429)

  const locked = await until(async () => {
    const entries = await log(`target_id=${id}`)
    return entries.filter(({ action }) => action === 'signInFailed').length === 10 && entries
  })
  expect(new Set(inOrder(locked))).toEqual(
    new Set(['acceptInvitation', 'setMemberRole', 'signInFailed', 'signInLocked', 'removeMember']),
  )
  const of = (action: string) => locked.find((entry) => entry.action === action)!
  const [byOwner, byAna] = ['olga@example.com', 'ana@example.com']
  expect(of('acceptInvitation')).toMatchObject({
    actor_kind: 'person',
    actor_id: id,
    actor_name: byAna,
    after: { email: byAna, role: 'admin' },
  })
  expect(of('setMemberRole')).toMatchObject({
    ...{ actor_kind: 'person', actor_id: owner.id, actor_name: byOwner, address: '127.0.0.1' },
    ...{ request_id: 'demotion', target_kind: 'members', target_id: id, outcome: 'done' },
    ...{ before: { role: 'admin' }, after: { role: 'viewer' } },
  })
  expect(of('signInFailed')).toMatchObject({
    actor_kind: 'nobody',
    address: '127.0.0.1',
    outcome: 'unauthenticated',
  })
  expect(of('signInLocked')).toMatchObject({ actor_kind: 'nobody', outcome: 'throttled' })
  expect(of('removeMember')).toMatchObject({
    actor_name: byOwner,
    before: { email: byAna, role: 'viewer' },
  })
  const own = inOrder(await log(`actor_id=${id}`))
  expect(own).toEqual(['acceptInvitation', 'signIn', 'signIn'])
  const [invitation] = await log(`target_id=${invited.json.invitation.id}`)
  expect(invitation).toMatchObject({
    action: 'createInvitation',
    actor_name: byOwner,
    after: asked,
  })
})

test('an order for another service is recorded with what became of it, by whom it was given', async () => {
  const { key, connectionId } = mine
  const made = await api.ask(key, 'POST', '/v1/campaigns', draft(connectionId))
  await api.ask(key, 'POST', `/v1/campaigns/${made.json.id}/cancel`)
  await api.ask(key, 'POST', `/v1/campaigns/${made.json.id}/start`)
  const entries = (await log(`target_id=${made.json.id}`)).reverse()
  expect(entries.map(({ action, outcome }) => [action, outcome])).toEqual([
    ['createCampaign', 'done'],
    ['cancelCampaign', 'done'],
    ['startCampaign', 'conflict'],
  ])
  expect(entries[0]).toMatchObject({
    actor_kind: 'program',
    actor_name: 'test',
    after: { name: 'Spring' },
  })
})

test('an order is recorded before it is given: one that nobody can record is not given', async () => {
  const { key, connectionId } = mine
  const campaigns = () => stack.world.sql('select 1 from campaigns.campaigns')
  const before = await campaigns()
  await stack.world.sql('revoke insert on accounts.audit_entries from accounts')
  try {
    expect((await api.ask(key, 'POST', '/v1/campaigns', draft(connectionId, 'No'))).status).toBe(
      500,
    )
    const created = await api.ask(key, 'POST', '/v1/api-keys', {
      name: 'No',
      rights: ['keys.read'],
    })
    expect(created.status).toBe(500)
  } finally {
    await stack.world.sql('grant insert on accounts.audit_entries to accounts')
  }
  expect(await campaigns()).toEqual(before)
  expect(await stack.world.sql("select 1 from accounts.api_keys where name = 'No'")).toEqual([])
})

test('keys, apps and numbers are recorded with what they were and are, and no secret of theirs', async () => {
  const { key, connectionId } = mine
  const made = await api.ask(key, 'POST', '/v1/api-keys', {
    name: 'Reports',
    rights: ['campaigns.read'],
  })
  const { id } = made.json.api_key
  await api.ask(key, 'POST', `/v1/api-keys/${id}/rotate`, { overlap_hours: 1 })
  await api.ask(key, 'POST', `/v1/api-keys/${id}/withdraw`)
  await api.ask(key, 'PUT', `/v1/connections/${connectionId}/limits`, {
    per_minute: 60,
    per_second: 10,
  })
  await api.ask(key, 'PUT', `/v1/connections/${connectionId}/token`, { access_token: 'token-9601' })
  expect(inOrder(await log(`target_id=${id}`))).toEqual([
    'createApiKey',
    'rotateApiKey',
    'withdrawApiKey',
  ])
  const ofConnection = await log(`target_id=${connectionId}`)
  expect(inOrder(ofConnection).slice(-2)).toEqual(['setConnectionLimits', 'replaceToken'])
  expect(ofConnection[1]).toMatchObject({ before: { per_minute: 100 }, after: { per_minute: 60 } })
  const text = JSON.stringify(await log())
  for (const secret of [
    'token-9601',
    'app-secret',
    'verify"',
    password,
    made.json.key,
    'argon2',
    'lk_',
    'ls_',
    'li_',
  ])
    expect([secret, text.includes(secret)]).toEqual([secret, false])
})

test('entries are found by action and time, page by page, and cannot be changed nor taken away', async () => {
  const all = await log()
  const page = await api.ask(owner.cookie, 'GET', '/v1/audit-log?limit=3')
  const next = await api.ask(
    owner.cookie,
    'GET',
    `/v1/audit-log?limit=3&cursor=${page.json.next_cursor}`,
  )
  const ids = [...page.json.entries, ...next.json.entries].map(({ id }: AuditEntry) => id)
  expect(ids).toEqual(all.slice(0, 6).map(({ id }) => id))
  expect(new Set((await log('action=createApiKey')).map(({ action }) => action))).toEqual(
    new Set(['createApiKey']),
  )
  const later = new Date(Date.now() + 60_000).toISOString()
  expect([await log(`from=${later}`), (await log(`until=${later}`)).length]).toEqual([
    [],
    all.length,
  ])
  const viewer = await accept(
    await stack.invite(owner.accountId, 'viewer', 'vera@example.com'),
    'Vera',
  )
  expect((await api.ask(cookieOf(viewer), 'GET', '/v1/audit-log')).status).toBe(403)
  for (const column of ['action', 'actor_id', 'after', 'at'])
    expect(await may(`accounts', 'accounts.audit_entries', '${column}', 'update`)).toBe(false)
  expect(await may("accounts', 'accounts.audit_entries', 'outcome', 'update")).toBe(true)
})

const may = async (asked: string) =>
  (await stack.world.sql<{ may: boolean }>(`select has_column_privilege('${asked}') as may`))[0]!
    .may
