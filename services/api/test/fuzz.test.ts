import { Agent } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { lanes } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '../src/http/index.ts'
import type { Route } from '../src/route.ts'
import {
  type Api,
  draft,
  importCsv,
  member,
  openApi,
  openStack,
  password,
  type Stack,
  tenant,
} from './fixtures.ts'
import { judge } from './fuzz/judge.ts'
import { fitting, type Sent, spoiled } from './fuzz/requests.ts'
import { send } from './fuzz/send.ts'
import type { Known } from './fuzz/values.ts'

const seed = Number(process.env.LOCKSTEP_FUZZ_SEED ?? Date.now() % 2 ** 31)
/** Requests of each kind for each route; more for a long run. */
const numRuns = Number(process.env.LOCKSTEP_FUZZ_RUNS ?? 12)

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let key: string
let known: Known
let tables: string[]
/** A person's cookie for each route that asks for one: some of them sign out. */
const cookies = new Map<Route, string>()
const agent = new Agent({ keepAlive: true, maxSockets: 32 })

beforeAll(async () => {
  stack = up.use(await openStack())
  api = up.use(await openApi(stack.config))
  up.defer(() => agent.destroy())
  const mine = await tenant(stack, api, '9801')
  key = mine.key
  known = await whatIs(mine)
  for (const route of routes)
    if (route.right === 'person')
      cookies.set(route, (await member(stack, api, mine.accountId, 'owner')).cookie)
  const rows = await stack.world.sql<{ name: string }>(
    "select schemaname || '.' || tablename as name from pg_tables where schemaname !~ '^pg_|^information'",
  )
  // A lane's name is public, also where it is a table's too.
  tables = rows.map(({ name }) => name).filter((name) => !Object.hasOwn(lanes, name))
})
afterAll(() => up.disposeAsync())

/** Things of the account, by the names of fields that may name them. */
async function whatIs({
  accountId,
  appId,
  connectionId,
  syncId,
}: Awaited<ReturnType<typeof tenant>>) {
  const file = await importCsv(api, key, 'name,phone,tags\nAna,+49 1512 0000001,spring\n')
  const made = async (url: string, body: object) => (await api.ask(key, 'POST', url, body)).json
  const [contact] = (await api.ask(key, 'GET', '/v1/contacts')).json.contacts
  const [template] = (await api.ask(key, 'GET', '/v1/templates')).json.templates
  const campaign = await made('/v1/campaigns', draft(connectionId))
  const other = await made('/v1/api-keys', { name: 'Program', rights: ['campaigns.read'] })
  const hook = { url: 'https://127.0.0.1/', topics: ['campaigns'] }
  const { endpoint } = await made('/v1/webhook-endpoints', hook)
  const { phone_number_id, access_token } = await stack.number('9802')
  const { id: memberId, email } = await member(stack, api, accountId, 'viewer')
  const ids = [
    memberId,
    connectionId,
    syncId,
    file.json.id,
    contact.id,
    campaign.id,
    other.api_key.id,
    endpoint.id,
  ]
  return {
    id: ids,
    connection_id: [connectionId],
    app_id: [appId],
    cursor: [contact.id, template.id, '1'],
    phone_number_id: [phone_number_id],
    waba_id: ['202'],
    access_token: [access_token],
    template_name: ['hello'],
    template_language: ['en_US'],
    tags: ['spring'],
    tag: ['spring'],
    state: ['accepted'],
    default_country: ['DE'],
    topics: ['templates', 'campaigns,imports'],
    endpoint_id: [endpoint.id],
    url: ['https://example.com/hook', 'https://127.0.0.1/'],
    email: [email],
    password: [password],
  }
}

function credentialsFor(route: Route): Record<string, string> {
  const cookie = cookies.get(route)
  if (cookie) return { cookie }
  return route.right === 'anyone' ? {} : { authorization: `Bearer ${key}` }
}

async function check(route: Route, requests: fc.Arbitrary<Sent>): Promise<void> {
  const property = fc.asyncProperty(requests, async (sent) => {
    const answer = await send(api.url, agent, credentialsFor(route), sent)
    if (!answer) return
    const wrong = judge(route, answer, tables)
    if (wrong) throw new Error(`${route.method} ${route.path}: ${wrong}\n${answer.body}`)
  })
  await fc.assert(property, { seed, numRuns, includeErrorInReport: true })
}

/** All routes at once, and every one of them to its end. */
async function checkAll(of: (route: Route, known: Known) => fc.Arbitrary<Sent>): Promise<void> {
  const ended = await Promise.allSettled(routes.map((route) => check(route, of(route, known))))
  const errors = ended.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []))
  expect(errors, `LOCKSTEP_FUZZ_SEED=${seed} repeats this`).toEqual([])
}

const longMs = 3_600_000

test('a request that fits its schemas is answered as its route says, whatever its values', {
  timeout: longMs,
}, async () => {
  await checkAll(fitting)
})

test('a spoiled request is refused in words, and tells nothing of the inside', {
  timeout: longMs,
}, async () => {
  await checkAll(spoiled)
})

test('work that was ordered meanwhile is not dead, and the server goes on serving', async () => {
  const feeds = ['accounts', 'campaigns', 'contacts', 'conversations', 'templates']
  const rows = (table: string) =>
    stack.world.sql(
      feeds.map((name) => `select to_jsonb(t) as row from ${name}.${table} t`).join(' union all '),
    )
  await until(async () => (await rows('feed_open')).length === 0, 30_000)
  expect(await rows('feed_dead')).toEqual([])
  expect((await api.ask(key, 'GET', '/v1/campaigns')).status).toBe(200)
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

test('hostile requests leave nothing in memory', async () => {
  const hostile = routes.flatMap((route) =>
    fc
      .sample(spoiled(route, known), { seed, numRuns: 10 })
      .map((sent) => ({ sent, credentials: credentialsFor(route) })),
  )
  const heapAfter = async () => {
    for (let at = 0; at < hostile.length; at += 20)
      await Promise.all(
        hostile
          .slice(at, at + 20)
          .map(({ sent, credentials }) => send(api.url, agent, credentials, sent)),
      )
    collect()
    return process.memoryUsage().heapUsed
  }
  await heapAfter()
  const first = await heapAfter()
  await heapAfter()
  const last = await heapAfter()
  // One that kept 20 kB of each request would be over.
  expect((last - first) / hostile.length / 2).toBeLessThan(20_000)
})
