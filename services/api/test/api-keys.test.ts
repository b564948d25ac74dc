import { everyRight, type Right, rights, roles } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '../src/http/index.ts'
import type { Route } from '../src/route.ts'
import { type Api, openApi, openStack, type Stack } from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let owner: string

beforeAll(async () => {
  stack = up.use(await openStack())
  api = up.use(await openApi(stack.config, {}))
  owner = (await stack.account()).key
})
afterAll(() => up.disposeAsync())

const path = '/v1/api-keys'
const create = async (asked: readonly string[], more: object = {}, by = owner) =>
  api.ask(by, 'POST', path, { name: 'Program', rights: asked, ...more })
const keyWith = async (...asked: readonly string[]) => (await create(asked)).json.key as string
const looks = async (key: string) => (await api.ask(key, 'GET', '/v1/campaigns')).status
/** A request for the route, with ids that are nobody's. */
const asked = ({ path: route }: Route) => route.replaceAll(/:\w+/g, crypto.randomUUID())

test('who has every right but the one that a route asks for is refused by it with its name, and who has only that one is not', async () => {
  for (const right of Object.keys(rights) as Right[]) {
    const others = Object.keys(rights).filter((one) => one !== right)
    const [without, alone] = [await keyWith(...others), await keyWith(right)]
    const its = routes.filter((route) => route.right === right)
    expect([right, its.length]).not.toEqual([right, 0])
    for (const route of its) {
      const refused = await api.ask(without, route.method, asked(route))
      expect([route.path, refused.status, refused.json.code]).toEqual([
        route.path,
        403,
        'forbidden',
      ])
      expect(refused.json.detail).toContain(`"${right}"`)
      const allowed = await api.ask(alone, route.method, asked(route))
      expect([route.path, allowed.status]).not.toEqual([route.path, 403])
    }
  }
})

test('roles are made of rights that there are, and only the owner may do what comes later', () => {
  for (const [role, held] of Object.entries(roles))
    if (role !== 'owner') for (const right of held) expect(rights).toHaveProperty([right])
  expect(roles.owner).toEqual([everyRight])
})

test('a key is shown once, known by how it begins, and its use is seen', async () => {
  const { status, json } = await create(['campaigns.read', 'campaigns.read'])
  expect([status, json.api_key]).toEqual([
    201,
    {
      id: expect.any(String),
      name: 'Program',
      rights: ['campaigns.read'],
      prefix: json.key.slice(0, 7),
      created_at: expect.any(String),
      expires_at: null,
      withdrawn_at: null,
      last_used_at: null,
    },
  ])
  expect(await looks(json.key)).toBe(200)
  const list = (await api.ask(owner, 'GET', `${path}?limit=200`)).json.api_keys
  expect(list.find(({ id }: { id: string }) => id === json.api_key.id).last_used_at).not.toBeNull()
  expect(JSON.stringify(list)).not.toContain(json.key)
  const page = await api.ask(owner, 'GET', `${path}?limit=1`)
  expect(page.json.next_cursor).toBe(page.json.api_keys[0].id)
})

test('its text is not kept for a repetition by Idempotency-Key', async () => {
  const order = () =>
    api.ask(
      owner,
      'POST',
      path,
      { name: 'Once', rights: [everyRight] },
      { 'idempotency-key': 'k1' },
    )
  const [first, second] = [await order(), await order()]
  expect(first.json.key).toMatch(/^lk_/)
  expect([second.status, second.headers.get('idempotent-replayed')]).toEqual([201, 'true'])
  expect(second.json).toEqual({ ...first.json, key: null })
  const kept = await stack.world.sql(
    "select string_agg(convert_from(response, 'utf8'), '') as text from api.idempotency_keys",
  )
  expect(String(kept[0]!.text)).not.toContain(first.json.key)
})

test('a key that is withdrawn is refused by every process within a second', async () => {
  await using other = await openApi(stack.config, {})
  const { key, api_key } = (await create(['campaigns.read'])).json
  const statuses = async () => [
    await looks(key),
    (await other.ask(key, 'GET', '/v1/campaigns')).status,
  ]
  expect(await statuses()).toEqual([200, 200])
  const withdrawn = await api.ask(owner, 'POST', `${path}/${api_key.id}/withdraw`)
  expect(withdrawn.json.withdrawn_at).not.toBeNull()
  await until(async () => (await statuses()).every((status) => status === 401), 1_000)
  const again = await api.ask(owner, 'POST', `${path}/${api_key.id}/withdraw`)
  expect(again.json.withdrawn_at).toBe(withdrawn.json.withdrawn_at)
})

test('a key that is rotated stays good beside the new one for as long as was said', async () => {
  const before = (await create(['campaigns.read'])).json
  const rotate = (hours: number, id = before.api_key.id) =>
    api.ask(owner, 'POST', `${path}/${id}/rotate`, { overlap_hours: hours })
  const rotated = await rotate(1)
  expect(rotated.json.api_key).toMatchObject({ name: 'Program', rights: ['campaigns.read'] })
  expect([await looks(before.key), await looks(rotated.json.key)]).toEqual([200, 200])
  expect((await rotate(0)).status).toBe(201)
  await until(async () => (await looks(before.key)) === 401, 1_000)
  expect(await looks(rotated.json.key)).toBe(200)
  expect((await rotate(1)).json.code).toBe('conflict')
})

test('a key ends by itself', async () => {
  const soon = new Date(Date.now() + 1_500).toISOString()
  const { key, api_key } = (await create(['campaigns.read'], { expires_at: soon })).json
  expect([await looks(key), api_key.expires_at]).toEqual([200, soon])
  await until(async () => (await looks(key)) === 401)
  const past = await create(['campaigns.read'], { expires_at: '2020-01-01T00:00:00Z' })
  expect([past.status, past.json.detail]).toEqual([
    400,
    '"expires_at" must be a time that has not come yet',
  ])
})

test('nobody gives, renews or ends a right that they have not themselves', async () => {
  const strong = (await create([everyRight])).json.api_key.id
  const weak = await keyWith('keys.write', 'keys.read', 'contacts.read')
  expect((await create(['contacts.read'], {}, weak)).status).toBe(201)
  const count = async () =>
    (await stack.world.sql('select count(*)::int as n from accounts.api_keys'))[0]!.n
  const before = await count()
  const refused = [
    await create(['contacts.write'], {}, weak),
    await create([everyRight], {}, weak),
    await api.ask(weak, 'POST', `${path}/${strong}/rotate`, {}),
    await api.ask(weak, 'POST', `${path}/${strong}/withdraw`),
  ]
  expect(refused.map(({ status, json }) => [status, json.code])).toEqual(
    refused.map(() => [403, 'forbidden']),
  )
  expect(await count()).toBe(before)
  const [row] = await stack.world.sql(
    'select withdrawn_at, expires_at from accounts.api_keys where id = $1',
    [strong],
  )
  expect(row).toEqual({ withdrawn_at: null, expires_at: null })
})

test('keys of another account can be neither seen nor rotated nor withdrawn', async () => {
  const { id } = (await create(['contacts.read'])).json.api_key
  const stranger = (await stack.account()).key
  for (const order of ['rotate', 'withdraw'])
    expect((await api.ask(stranger, 'POST', `${path}/${id}/${order}`, {})).status).toBe(404)
  expect((await api.ask(stranger, 'GET', path)).json.api_keys).toHaveLength(1)
})
