import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '../src/http/index.ts'
import type { Route } from '../src/route.ts'
import { type Api, draft, importCsv, openApi, openStack, type Stack } from './fixtures.ts'

/**
 * One request and its response for each route, as a client sees them. `LOCKSTEP_GOLDEN=write npm
 * test -- services/api/test/golden` writes them anew.
 */
const folder = path.join(import.meta.dirname, 'golden')
const isWriting = process.env.LOCKSTEP_GOLDEN === 'write'

interface Pair {
  request: { method: string; path: string; body?: unknown }
  response: { status: number; body: unknown }
}

const stack = new AsyncDisposableStack()
let system: Stack
let api: Api
let key: string
const pairs = new Map<Route, Pair>()

beforeAll(async () => {
  system = stack.use(await openStack(0.2))
  api = stack.use(await openApi(system.config))
  key = (await system.account()).key
  await useEveryRoute()
  if (!isWriting) return
  await mkdir(folder, { recursive: true })
  for (const [route, pair] of pairs)
    await writeFile(path.join(folder, fileOf(route)), `${JSON.stringify(pair, null, 2)}\n`)
})
afterAll(() => stack.disposeAsync())

test.each(routes)('$method $path answers as its golden file says', async (route) => {
  const golden = JSON.parse(await readFile(path.join(folder, fileOf(route)), 'utf8'))
  expect(pairs.get(route)).toEqual(golden)
})

test('there is one golden file for each route, and no other', async () => {
  expect((await readdir(folder)).sort()).toEqual(routes.map(fileOf).sort())
})

const fileOf = ({ method, path: route }: Route): string =>
  `${method.toLowerCase()}-${route.slice('/v1/'.length).replaceAll(/\W+/g, '-')}.json`

/** Asks, and keeps the first request of each route with what was answered. */
async function ask(method: string, url: string, body?: unknown, atMoment = false) {
  const type = typeof body === 'string' ? { 'content-type': 'text/csv' } : undefined
  const { status, json } = await api.ask(key, method, url, body, type)
  const route = routes.find((one) => one.method === method && pattern(one).test(url.split('?')[0]!))
  if (!route) throw new Error(`There is no ${method} ${url}`)
  expect([method, url, status, json]).toEqual([method, url, route.status, expect.anything()])
  expect(route.response.parse(json), 'the response is all that its schema says').toEqual(json)
  if (pairs.has(route)) return json
  const mask = masking(atMoment)
  const request = {
    method,
    path: mask(url) as string,
    ...(body !== undefined && { body: mask(body) }),
  }
  pairs.set(route, { request, response: { status, body: mask(json) } })
  return json
}

const pattern = (route: Route) => new RegExp(`^${route.path.replaceAll(/:\w+/g, '[^/]+')}$`)

const changing =
  /lk_[\w-]{4,43}|[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}|wamid\.[\w=]+|\d{4}-\d\d-\d\dT[\d:.]+Z/g

/** Replaces ids and times by what they are; `atMoment` also what depends on how far a campaign is. */
function masking(atMoment: boolean) {
  const names = new Map<string, string>()
  const nameOf = (text: string): string => {
    if (/^\d{4}-\d\d-\d\dT/.test(text)) return '<time>'
    const known = names.get(text)
    const kind = text.startsWith('lk_') ? 'key' : text.startsWith('wamid.') ? 'wamid' : 'id'
    const name = known ?? `<${kind} ${names.size + 1}>`
    names.set(text, name)
    return name
  }
  return function mask(value: unknown, field = ''): unknown {
    if (atMoment && field === 'reason') return '<reason>'
    if (field === 'attempts' || (atMoment && typeof value === 'number')) return '<number>'
    if (field === 'id' && /^\d+$/.test(String(value))) return nameOf(String(value))
    if (typeof value === 'string') return value.replaceAll(changing, nameOf)
    if (Array.isArray(value)) return value.map((item) => mask(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mask(one, name)]))
  }
}

async function useEveryRoute(): Promise<void> {
  const { appId, connectionId } = await connect()
  await syncTemplates(connectionId)
  const contact = await importPeople()
  await chooseRules(contact)
  await runCampaigns(connectionId)
  await hear(appId, connectionId)
  await ask('POST', `/v1/connections/${connectionId}/disconnect`)
  await useKeys()
}

async function useKeys(): Promise<void> {
  const asked = { name: 'Reports', rights: ['campaigns.read'] }
  const { api_key } = await ask('POST', '/v1/api-keys', asked)
  await ask('GET', '/v1/api-keys')
  await ask('POST', `/v1/api-keys/${api_key.id}/rotate`, { overlap_hours: 24 })
  await ask('POST', `/v1/api-keys/${api_key.id}/withdraw`)
}

async function connect() {
  const app = { name: 'App', meta_app_id: '1', secret: 'app-secret', verify_token: 'verify' }
  const { id: appId } = await ask('POST', '/v1/apps', app)
  const number = await system.number('9501')
  const { id } = await ask('POST', '/v1/connections', { ...number, app_id: appId })
  await ask('GET', '/v1/connections')
  const limits = { per_minute: 600, per_second: 20 }
  await ask('PUT', `/v1/connections/${id}/limits`, limits)
  await ask('PUT', `/v1/connections/${id}/token`, { access_token: number.access_token })
  return { appId: appId as string, connectionId: id as string }
}

async function syncTemplates(connectionId: string) {
  const { id } = await ask('POST', `/v1/connections/${connectionId}/template-syncs`)
  const state = async () => (await api.ask(key, 'GET', `/v1/template-syncs/${id}`)).json.state
  await until(async () => (await state()) === 'done')
  await ask('GET', `/v1/template-syncs/${id}`)
  await ask('GET', `/v1/templates?connection_id=${connectionId}&status=APPROVED`)
}

async function importPeople(): Promise<string> {
  await ask('GET', '/v1/contact-settings')
  await ask('PUT', '/v1/contact-settings', { default_country: 'DE' })
  const csv = 'name,phone,tags,city\nAna,+49 1512 0000001,spring,Ulm\nNobody,,spring,\n'
  const { id } = await ask('POST', '/v1/contact-imports?file_name=people.csv', csv)
  const state = async () => (await api.ask(key, 'GET', `/v1/contact-imports/${id}`)).json.state
  await until(async () => (await state()) === 'done')
  await ask('GET', `/v1/contact-imports/${id}`)
  await ask('GET', `/v1/contact-imports/${id}/errors`)
  const { contacts } = await ask('GET', '/v1/contacts?tag=spring')
  await ask('GET', `/v1/contacts/${contacts[0].id}`)
  return contacts[0].id
}

async function chooseRules(contact: string) {
  const consent = { kind: 'opt_in', evidence: 'ticked in the shop' }
  await ask('POST', `/v1/contacts/${contact}/consent`, consent)
  await ask('GET', '/v1/consent-rules')
  await ask('PUT', '/v1/consent-rules', { utility_after_stop: true })
}

async function runCampaigns(connectionId: string) {
  const { id } = await ask('POST', '/v1/campaigns', draft(connectionId))
  await ask('GET', '/v1/campaigns')
  await ask('POST', `/v1/campaigns/${id}/start`)
  await becomes(id, 'completed')
  await ask('GET', `/v1/campaigns/${id}`)
  await ask('GET', `/v1/campaigns/${id}/recipients?state=accepted`)
  await ask('POST', `/v1/campaigns/${id}/resend-unknown`, { recipient_ids: [] })
  // One that takes long enough to be paused.
  await ask('PUT', `/v1/connections/${connectionId}/limits`, { per_minute: 1, per_second: 1 })
  const people = Array.from({ length: 30 }, (_, n) => `P${n},+49 1512 00010${10 + n},many\n`)
  await importCsv(api, key, `name,phone,tags\n${people.join('')}`)
  const long = { ...draft(connectionId, 'Long'), filter: { tags: ['many'] } }
  const { id: next } = await ask('POST', '/v1/campaigns', long)
  await ask('POST', `/v1/campaigns/${next}/start`)
  await becomes(next, 'sending')
  await ask('POST', `/v1/campaigns/${next}/pause`, undefined, true)
  await ask('POST', `/v1/campaigns/${next}/resume`, undefined, true)
  await ask('POST', `/v1/campaigns/${next}/cancel`, undefined, true)
}

const becomes = (id: string, state: string) =>
  until(async () => (await api.ask(key, 'GET', `/v1/campaigns/${id}`)).json.state === state)

async function hear(appId: string, connectionId: string) {
  const at = String(Math.floor(Date.now() / 1_000))
  const metadata = { phone_number_id: '9501' }
  const text = { from: '4915120000001', id: 'wamid.hello', timestamp: at, type: 'text' }
  const value = {
    metadata,
    contacts: [{ wa_id: '4915120000001', profile: { name: 'Ana' } }],
    messages: [{ ...text, text: { body: 'Hello' } }],
  }
  const review = { field: 'account_review_update', value: { decision: 'APPROVED' } }
  const changes = [{ field: 'messages', value }, review]
  await system.deliver(appId, {
    object: 'whatsapp_business_account',
    entry: [{ id: '202', time: Number(at), changes }],
  })
  const listed = (list: string) =>
    until(async () => {
      const { json } = await api.ask(key, 'GET', `/v1/${list}`)
      return json[list.replace('account-', '')].length > 0
    })
  await Promise.all([listed('conversations'), listed('account-events')])
  await ask('GET', '/v1/account-events')
  const { conversations } = await ask('GET', '/v1/conversations')
  await ask('GET', `/v1/conversations/${conversations[0].id}/messages`)
  await ask('GET', `/v1/inbound-count?connection_id=${connectionId}`)
}
