import { randomBytes } from 'node:crypto'
import { rights } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '../src/http/index.ts'
import type { Route } from '../src/route.ts'
import {
  type Api,
  cookieOf,
  draft,
  member,
  openApi,
  openStack,
  password,
  type Reply,
  type Stack,
} from './fixtures.ts'
import { type Everything, makeEverything, type Texts } from './one-of-everything.ts'
import { type Asked, attempts, type Own, type Owned } from './tenant-requests.ts'
import { openDigests } from './tenant-rows.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let owner: { key: string; cookie: string; owned: Owned }
let stranger: { key: string; own: Own }
let digests: Awaited<ReturnType<typeof openDigests>>

/** The owner's texts, none of which is anywhere else. */
const texts: Texts = {
  app: 'Zaunkönig app',
  number: '970155501234567',
  tag: 'relatives',
  person: 'Zaunkönigin',
  phone: '4915125550001',
  campaign: 'Zaunkönig spring',
  longTag: 'relations',
  longCampaign: 'Zaunkönig long',
  hello: 'Hello from the zaunkönig',
}
const strangersTexts: Texts = {
  app: 'App',
  number: '9702',
  tag: 'spring',
  person: 'Bo',
  phone: '4915126660001',
  campaign: 'Spring',
  longTag: 'many',
  longCampaign: 'Long',
  hello: 'Hello',
}

beforeAll(async () => {
  stack = up.use(await openStack(0.2))
  api = up.use(await openApi(stack.config))
  const [mine, other] = await Promise.all([open(texts), open(strangersTexts)])
  const draftId = (await mine.ask('POST', '/v1/campaigns', draft(mine.everything.connectionId))).id
  const key = { name: 'Zaunkönig program', rights: ['keys.write'] }
  const apiKeyId = (await mine.ask('POST', '/v1/api-keys', key)).api_key.id
  const person = await member(stack, api, mine.everything.accountId, 'owner', 'Zaunkönig')
  const { id: memberId } = await member(
    stack,
    api,
    mine.everything.accountId,
    'viewer',
    'Zaunkönigin',
  )
  const invited = { email: 'zaunkönig@example.com', role: 'viewer' }
  const { invitation } = await mine.ask('POST', '/v1/invitations', invited)
  const role = { name: 'Zaunkönig role', rights: ['keys.write'] }
  const { id: roleId } = await mine.ask('POST', '/v1/roles', role)
  const people = { roleId, memberId, sessionId: person.sessionId, invitationId: invitation.id }
  const { entries } = await mine.ask('GET', '/v1/audit-log')
  const deadId = '4711'
  await stack.world.sql(
    `insert into contacts.feed_dead (id, lane, key, kind, account_id, row_id, bytes, attempts, created_at, reason)
     values ($1, 'contacts.import', 'key', '', $2, '', 0, 3, now(), $3)`,
    [deadId, mine.everything.accountId, texts.campaign],
  )
  const made = { draftId, apiKeyId, ...people, auditId: entries[0].id, deadId, texts }
  owner = { key: mine.key, cookie: person.cookie, owned: { ...mine.everything, ...made } }
  const { access_token } = await stack.number(texts.number)
  const { id } = await member(stack, api, other.everything.accountId, 'viewer')
  const { link } = await other.ask('POST', `/v1/members/${id}/password-reset`)
  const own = {
    reset: link.split('#')[1],
    number: await stack.number('9703'),
    token: { access_token },
    email: (await member(stack, api, other.everything.accountId, 'owner')).email,
    invitation: await stack.invite(other.everything.accountId, 'viewer', 'zoe@example.com'),
  }
  stranger = { key: other.key, own: { ...other.everything, ...own } }
  digests = await openDigests(stack.world)
  await settled()
})
afterAll(() => up.disposeAsync())

/** An account with one of everything. */
async function open(its: Texts) {
  const { accountId, key } = await stack.account()
  const ask = async (method: string, url: string, body?: unknown) => {
    const { status, json } = await send(key, method, { path: url, body })
    if (status >= 300) throw new Error(`${method} ${url}: ${JSON.stringify(json)}`)
    return json
  }
  const look = (url: string) => ask('GET', url)
  const everything: Everything = await makeEverything(stack, accountId, { ask, look }, its)
  return { key, ask, everything }
}

function send(key: string, method: string, { path, body }: Asked): Promise<Reply> {
  const type = typeof body === 'string' ? { 'content-type': 'text/csv' } : undefined
  return api.ask(key, method, path, body, type)
}

/** The stranger's key, or a cookie of a session of its own: some routes end it. */
async function strangersCredentials({ right }: Route): Promise<string> {
  if (right === 'anyone') return ''
  if (right !== 'person') return stranger.key
  const body = { email: stranger.own.email, password }
  return cookieOf(await send('', 'POST', { path: '/v1/session', body }))
}

/** Waits until what was ordered has had its effect, for all rows are compared. */
async function settled(): Promise<void> {
  let before = ''
  await until(async () => {
    const now = await digests()
    const open = Object.entries(now).filter(([name, rows]) => /feed_open$/.test(name) && rows)
    const [last, text] = [before, JSON.stringify(now)]
    before = text
    const untold = await stack.world.sql(
      `select from campaigns.campaign_statistics where progress_due
       union all select from contacts.attribute_definitions
       where indexed_after is not null or dropped_at is not null`,
    )
    return open.length === 0 && untold.length === 0 && text === last
  }, 30_000)
}

const nameOf = ({ method, path }: Route) => `${method} ${path}`
const asksOf = (route: Route) => attempts[nameOf(route)]!(owner.owned, stranger.own)
/** What the owner asks for by a route. */
const ownersOf = (route: Route): Asked => {
  const { refused, answered } = asksOf(route)
  return (refused ?? answered)![0]!
}

/** Lists of things that each account counts from 1: the owner's have the same ids. */
const countedByAccount = ['/v1/events']

/** All ids that the JSON names as such, and all its texts. */
function contentsOf(json: unknown, field = ''): string[] {
  if (Array.isArray(json)) return json.flatMap((item) => contentsOf(item, field))
  if (typeof json === 'object' && json !== null)
    return Object.entries(json).flatMap(([name, value]) => contentsOf(value, name))
  if (typeof json !== 'string') return []
  return /(^|_)id$/.test(field) ? [json, `${field} ${json}`] : [json]
}

/** Ids and texts that stand for the owner. Serial ids of two tables may be alike. */
function marks(): string[] {
  const { owned } = owner
  const { texts: _, ...ids } = owned
  const uuids = Object.values(ids).filter((id) => id.length === 36)
  return [
    ...uuids,
    'aunkönig',
    texts.number,
    texts.phone.slice(0, -4),
    `wamid.hello${texts.number}`,
  ]
}

/** Of what is the owner's, all that an answer holds and its request did not. */
function leaks({ json }: Reply, asked: Asked): string[] {
  const body = JSON.stringify(json)
  const said = decodeURIComponent(JSON.stringify(asked))
  return marks().filter((mark) => body.includes(mark) && !said.includes(mark))
}

test('every route has a row in the walk, and no other', () => {
  expect(Object.keys(attempts).sort()).toEqual(routes.map(nameOf).sort())
})

test.each(routes)('$method $path gives a stranger nothing and does nothing', async (route) => {
  const { refused = [], answered = [] } = asksOf(route)
  expect(refused.length + answered.length).toBeGreaterThan(0)
  const by = await strangersCredentials(route)
  const [rows, had] = [await digests(), await digests(owner.owned.accountId)]
  for (const asked of refused) {
    const reply = await send(by, route.method, asked)
    expect([asked, reply.status, reply.json.code]).toEqual([asked, 404, 'not_found'])
    expect([asked, leaks(reply, asked)]).toEqual([asked, []])
  }
  expect(await digests(), 'all rows are as they were').toEqual(rows)
  expect(await digests(owner.owned.accountId), "the owner's audit log too").toEqual(had)
  const owners = await digests(owner.owned.accountId)
  const has = contentsOf((await send(ownersCredentials(route), 'GET', listOf(route))).json)
  for (const asked of answered) {
    const reply = await send(await strangersCredentials(route), route.method, asked)
    expect([asked, reply.status]).toEqual([asked, asked.status ?? route.status])
    expect([asked, leaks(reply, asked)]).toEqual([asked, []])
    const got = contentsOf(reply.json).filter((text) => /^id /.test(text))
    if (countedByAccount.includes(route.path)) continue
    expect(got.filter((id) => has.includes(id))).toEqual([])
  }
  if (route.method !== 'GET') await settled()
  expect(await digests(owner.owned.accountId), "the owner's rows are as they were").toEqual(owners)
})

const ownersCredentials = ({ right, method }: Route) =>
  right === 'person' && method === 'GET' ? owner.cookie : owner.key

/** What the owner reads by the route; of a writing route, what there is beside it. */
const listOf = (route: Route): Asked =>
  route.method === 'GET' ? ownersOf(route) : { path: '/v1/campaigns' }

/** Keys that are nobody's, or nobody's any more. */
async function badKeys(): Promise<Record<string, string | undefined>> {
  const create = async (more: object) => {
    const body = { name: 'Old', rights: ['*'], ...more }
    return (await send(owner.key, 'POST', { path: '/v1/api-keys', body })).json
  }
  const withdrawn = await create({})
  const path = `/v1/api-keys/${withdrawn.api_key.id}/withdraw`
  await send(owner.key, 'POST', { path })
  const expired = await create({ expires_at: new Date(Date.now() + 1_000).toISOString() })
  await until(async () => (await withKey(expired.key, routes[2]!)).status === 401)
  return {
    none: undefined,
    nonsense: 'nonsense',
    unknown: `lk_${randomBytes(32).toString('base64url')}`,
    withdrawn: withdrawn.key,
    expired: expired.key,
  }
}

/** The owner's request by a key, or by none. */
async function withKey(key: string | undefined, route: Route) {
  const { path, body } = ownersOf(route)
  const type = typeof body === 'string' ? 'text/csv' : 'application/json'
  const response = await fetch(api.url + path, {
    method: route.method,
    headers: {
      ...(key && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': type }),
    },
    body: body === undefined || typeof body === 'string' ? (body as string) : JSON.stringify(body),
  })
  return { status: response.status, text: await response.text() }
}

test('a key that is none, nonsense, unknown, withdrawn or expired opens no route', async () => {
  const keys = await badKeys()
  await settled()
  const rows = await digests()
  for (const route of routes.filter(({ right }) => right !== 'anyone'))
    for (const [kind, key] of Object.entries(keys)) {
      const { status, text } = await withKey(key, route)
      expect([kind, nameOf(route), status]).toEqual([kind, nameOf(route), 401])
      expect(marks().filter((mark) => text.includes(mark))).toEqual([])
    }
  expect(await digests()).toEqual(rows)
})

test('every right but the needed one opens no route, and the needed one alone opens it', async () => {
  const keyWith = async (names: string[]) => {
    const body = { name: 'Program', rights: names }
    return (await send(owner.key, 'POST', { path: '/v1/api-keys', body })).json.key as string
  }
  const all = Object.keys(rights)
  const keys = new Map<string, { without: string; alone: string }>()
  for (const right of all) {
    const without = await keyWith(all.filter((one) => one !== right))
    keys.set(right, { without, alone: await keyWith([right]) })
  }
  await settled()
  const rows = await digests()
  const asking = routes.filter(({ right }) => right in rights)
  for (const route of asking) {
    const { status, text } = await withKey(keys.get(route.right)!.without, route)
    expect([nameOf(route), status]).toEqual([nameOf(route), 403])
    expect(text).toContain(`\\"${route.right}\\"`)
  }
  for (const route of routes.filter(({ right }) => right === 'person'))
    expect([nameOf(route), (await withKey(owner.key, route)).status]).toEqual([nameOf(route), 403])
  expect(await digests()).toEqual(rows)
  // The stranger's requests, by their owner: found, or the walk would prove nothing.
  for (const route of asking) {
    const { needs } = asksOf(route)
    const key = needs ? await keyWith([...needs, route.right]) : keys.get(route.right)!.alone
    const { status } = await withKey(key, route)
    expect([nameOf(route), [401, 403, 404].includes(status)]).toEqual([nameOf(route), false])
  }
})
