import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '../src/http/index.ts'
import type { Route } from '../src/route.ts'
import {
  type Api,
  cookieOf,
  goldenFileOf,
  member,
  openApi,
  openStack,
  password,
  type Stack,
  totpCode,
} from './fixtures.ts'
import { makeEverything } from './one-of-everything.ts'
import {
  beginSignIn,
  finishSignIn,
  type OpenIdProvider,
  startOpenIdProvider,
} from './openid-provider.ts'

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
let provider: OpenIdProvider
let system: Stack
let api: Api
let account: { accountId: string; key: string }
const pairs = new Map<Route, Pair>()

beforeAll(async () => {
  provider = stack.use(await startOpenIdProvider())
  system = stack.use(await openStack(0.2, provider.environment))
  api = stack.use(await openApi(system.config))
  account = await system.account()
  await useEveryRoute()
  if (!isWriting) return
  await mkdir(folder, { recursive: true })
  for (const [route, pair] of pairs)
    await writeFile(path.join(folder, goldenFileOf(route)), `${JSON.stringify(pair, null, 2)}\n`)
})
afterAll(() => stack.disposeAsync())

test.each(routes)('$method $path answers as its golden file says', async (route) => {
  const golden = JSON.parse(await readFile(path.join(folder, goldenFileOf(route)), 'utf8'))
  expect(pairs.get(route)).toEqual(golden)
})

test('there is one golden file for each route, and no other', async () => {
  expect((await readdir(folder)).sort()).toEqual(routes.map(goldenFileOf).sort())
})

/** Asks, and keeps the first request of each route with what was answered. */
const ask = async (method: string, url: string, body?: unknown, atMoment = false) =>
  (await askBy(account.key, method, url, body, atMoment)).json

/** By a key, by a person's cookie, or by nobody. */
async function askBy(by: string, method: string, url: string, body?: unknown, atMoment = false) {
  const type = typeof body === 'string' ? { 'content-type': 'text/csv' } : undefined
  const reply = await api.ask(by, method, url, body, type)
  const { status, json } = reply
  const route = routes.find((one) => one.method === method && pattern(one).test(url.split('?')[0]!))
  if (!route) throw new Error(`There is no ${method} ${url}`)
  expect([method, url, status, json]).toEqual([method, url, route.status, expect.anything()])
  expect(route.response.parse(json), 'the response is all that its schema says').toEqual(json)
  if (pairs.has(route)) return reply
  const mask = masking(atMoment)
  const request = {
    method,
    path: mask(url) as string,
    ...(body !== undefined && { body: mask(body) }),
  }
  pairs.set(route, { request, response: { status, body: mask(json) } })
  return reply
}

type Member = Awaited<ReturnType<typeof member>>

const look = async (url: string) => (await api.ask(account.key, 'GET', url)).json

const pattern = (route: Route) => new RegExp(`^${route.path.replaceAll(/:\w+/g, '[^/]+')}$`)

const changing =
  /\b[A-Z2-7]{32}\b|l[kir]_[\w-]{4,43}|whsec_[\w+/=]+|[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}|\b[a-z2-7]{4}(?:-[a-z2-7]{4}){3}\b|wamid\.[\w=]+|\d{4}-\d\d-\d\dT[\d:.]+Z/g

/** Replaces ids and times by what they are; `atMoment` also what depends on how far a campaign is. */
function masking(atMoment: boolean) {
  const names = new Map<string, string>()
  const nameOf = (text: string): string => {
    if (/^\d{4}-\d\d-\d\dT/.test(text)) return '<time>'
    const known = names.get(text)
    const kind = text.startsWith('lk_')
      ? 'key'
      : /^l[ir]_/.test(text)
        ? 'token'
        : /^(?:whsec_|[A-Z2-7]{32}$|[a-z2-7]{4}-)/.test(text)
          ? 'secret'
          : text.startsWith('wamid.')
            ? 'wamid'
            : 'id'
    const name = known ?? `<${kind} ${names.size + 1}>`
    names.set(text, name)
    return name
  }
  return function mask(value: unknown, field = ''): unknown {
    if (atMoment && field === 'reason') return '<reason>'
    if (field === 'attempts' || (atMoment && typeof value === 'number')) return '<number>'
    if (/^(id|next_cursor)$/.test(field) && /^\d+$/.test(String(value)))
      return nameOf(String(value))
    if (field === 'callback_url') return '<url>'
    // Its mail is sent meanwhile.
    if (field === 'mailed_at') return '<time or null>'
    if (field === 'code') return '<code>'
    if (field === 'link') return nameOf(String(value).split('#')[1]!)
    if (typeof value === 'string') return value.replaceAll(changing, nameOf)
    if (Array.isArray(value)) return value.map((item) => mask(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mask(one, name)]))
  }
}

async function useEveryRoute(): Promise<void> {
  const { accountId } = account
  const { connectionId, pausedId } = await makeEverything(system, accountId, { ask, look })
  await ask('POST', `/v1/campaigns/${pausedId}/resume`, undefined, true)
  await ask('POST', `/v1/campaigns/${pausedId}/cancel`, undefined, true)
  await ask('POST', `/v1/connections/${connectionId}/disconnect`)
  await useKeys()
  await usePeople()
}

async function useKeys(): Promise<void> {
  const asked = { name: 'Reports', rights: ['campaigns.read'] }
  const { api_key } = await ask('POST', '/v1/api-keys', asked)
  await ask('GET', '/v1/api-keys')
  await ask('POST', `/v1/api-keys/${api_key.id}/rotate`, { overlap_hours: 24 })
  await ask('POST', `/v1/api-keys/${api_key.id}/withdraw`)
}

async function usePeople(): Promise<void> {
  const token = await system.invite(account.accountId, 'owner', 'olga@example.com')
  const asked = { token, name: 'Olga', password }
  await askBy('', 'POST', '/v1/invitations/accept', asked)
  const credentials = { email: 'olga@example.com', password }
  const signIn = async () => cookieOf(await askBy('', 'POST', '/v1/session', credentials))
  const cookie = await signIn()
  await askBy(cookie, 'GET', '/v1/me')
  const vera = await member(system, api, account.accountId, 'viewer', 'Vera')
  const { id } = vera
  await askBy(cookie, 'GET', '/v1/members')
  await askBy(cookie, 'GET', `/v1/audit-log?limit=1&target_id=${id}`)
  await useRoles(cookie)
  await useSecondFactor(cookie, vera)
  await useLinks(cookie, id)
  await askBy(cookie, 'PUT', `/v1/members/${id}/role`, { role: 'agent' })
  await askBy(cookie, 'DELETE', `/v1/members/${id}`)
  await signIn()
  const [further] = (await askBy(cookie, 'GET', '/v1/sessions')).json.sessions
  await askBy(cookie, 'DELETE', `/v1/sessions/${further.id}`)
  await askBy(cookie, 'DELETE', '/v1/session')
  await askBy(await signIn(), 'DELETE', '/v1/sessions')
}

async function useRoles(cookie: string): Promise<void> {
  const asked = { name: 'Night shift', rights: ['conversations.read'] }
  const { id } = (await askBy(cookie, 'POST', '/v1/roles', asked)).json
  await askBy(cookie, 'GET', '/v1/roles')
  await askBy(cookie, 'PATCH', `/v1/roles/${id}`, { name: 'Night' })
  await askBy(cookie, 'DELETE', `/v1/roles/${id}`)
}

async function useSecondFactor(by: string, { id, email, cookie }: Member): Promise<void> {
  const path = '/v1/me/second-factor'
  const { secret } = (await askBy(cookie, 'POST', path, { password })).json
  const code = totpCode(secret)
  const { recovery_codes } = (await askBy(cookie, 'POST', `${path}/confirm`, { code })).json
  await askBy(cookie, 'GET', path)
  const begun = await beginSignIn(api)
  const answer = await provider.signIn(begun.location, id, { email, email_verified: true })
  const { step } = await finishSignIn(api, answer, begun.cookie)
  await askBy(step!, 'POST', '/v1/session/code', { code: recovery_codes[1] })
  await askBy(cookie, 'POST', `${path}/disable`, { password, code: recovery_codes[0] })
  await askBy(by, 'DELETE', `/v1/members/${id}/second-factor`)
}

async function useLinks(cookie: string, id: string): Promise<void> {
  const asked = { email: 'eve@example.com', role: 'viewer' }
  const { invitation } = (await askBy(cookie, 'POST', '/v1/invitations', asked)).json
  const first = '/v1/invitations?limit=1'
  await until(async () => (await look(first)).invitations[0].mailed_at)
  await askBy(cookie, 'GET', first)
  await askBy(cookie, 'POST', `/v1/invitations/${invitation.id}/withdraw`)
  const { link } = (await askBy(cookie, 'POST', `/v1/members/${id}/password-reset`)).json
  await askBy('', 'POST', '/v1/password-resets', { email: 'olga@example.com' })
  await askBy('', 'POST', '/v1/password-resets/use', { token: link.split('#')[1], password })
  await askBy(cookie, 'PUT', '/v1/me/password', { password, new_password: password })
}
