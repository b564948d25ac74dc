import { createClient } from '@lockstep/client'
import { everyRight, type ServiceName, services } from '@lockstep/contracts'
import { withClient } from '@lockstep/database'
import { type BaseOverrides, startService } from '@lockstep/service'
import { postWebhook, startMailServer, until, type World } from '@lockstep/testing'
import { configIn, startSystem } from '@lockstep/testing/system'
import { TOTP } from 'otpauth'
import { campaignsService } from '../../campaigns/src/service.ts'
import { contactsService } from '../../contacts/src/service.ts'
import type { Route } from '../src/route.ts'
import { apiService } from '../src/service.ts'

export const scale = 0.05
export const nowhere = '127.0.0.1:9'
const wabaId = '202'
const hello = {
  name: 'hello',
  language: 'en_US',
  category: 'MARKETING' as const,
  components: [
    {
      type: 'BODY' as const,
      text: 'Hello {{1}}, welcome back.',
      example: { body_text: [['Ana']] },
    },
  ],
}
/** Tests of other things ask as often as they like. */
const unlimitedCalls = {
  LOCKSTEP_KEY_CALLS_PER_MINUTE: '10000000',
  LOCKSTEP_ACCOUNT_CALLS_PER_MINUTE: '10000000',
}
const environment = { LOCKSTEP_SEND_CONCURRENCY: '4', LOCKSTEP_SEND_SOCKETS: '4' }

/** An answer of the API; its JSON as a caller sees it. */
export interface Reply {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: what is in it is what the tests find out
  json: any
}

/** Everything that the API calls, running, and a configuration for it. */
export async function openStack(systemScale = scale, more: Readonly<Record<string, string>> = {}) {
  await using stack = new AsyncDisposableStack()
  const mail = stack.use(await startMailServer())
  const mailed = { LOCKSTEP_SMTP_URL: mail.url, LOCKSTEP_MAIL_FROM: 'no-reply@example.com' }
  const variables = { ...environment, ...mailed, ...more }
  const system = stack.use(
    await startSystem({ scale: systemScale, environment: variables, checksWebhooks: true }),
  )
  const { world, simulator, ports, clients } = system
  await simulator.client.setState({ templates: { [wabaId]: [hello] } })
  const addresses = addressesIn(ports)
  const opened = stack.move()

  /** An account and an API key of it. */
  async function account() {
    const { id: accountId } = await clients.accounts.createAccount({ name: 'Acme' }, {})
    const { key } = await clients.accounts.createApiKey(
      { name: 'test', rights: [everyRight], heldRights: [everyRight] },
      { accountId },
    )
    return { accountId, key }
  }

  /** A link by which somebody becomes a member of the account; only who has the e-mail, if one is named. */
  async function invite(accountId: string, role: string, email = ''): Promise<string> {
    const asked = { email, role, heldRights: [everyRight] }
    return (await clients.accounts.createInvitation(asked, { accountId })).token
  }

  /** The token of a link to another password, as the operator makes it. */
  const resetToken = async (email: string) =>
    (await clients.accounts.createAnyPasswordReset({ email }, {})).token

  /** A number at Meta, and the token for it. */
  async function number(phoneNumberId: string) {
    const token = `token-${phoneNumberId}`
    await simulator.client.setState({
      numbers: [{ id: phoneNumberId, wabaId, displayPhoneNumber: '+1 555', token }],
    })
    return { phone_number_id: phoneNumberId, waba_id: wabaId, access_token: token }
  }

  /** A number whose owner went through Embedded Signup: what the browser was told. */
  async function signUp(phoneNumberId: string) {
    const { access_token, ...told } = await number(phoneNumberId)
    const code = `code-${phoneNumberId}`
    const token = `${access_token}-signed-up`
    await simulator.client.setState({ codes: [{ code, appId: '1', phoneNumberId, token }] })
    return { ...told, code }
  }

  /** Posts a webhook as Meta does, to an app that was created by `tenant`. */
  async function deliver(appId: string, body: object): Promise<void> {
    const url = `http://127.0.0.1:${ports['webhook-gateway'].http}/webhooks/${appId}`
    const status = await postWebhook(url, 'app-secret', JSON.stringify(body))
    if (status !== 200) throw new Error(`The gateway answered ${status}`)
  }

  /** Takes somebody's second factor away, as the operator does. */
  const resetSecondFactor = (email: string) => clients.accounts.resetAnySecondFactor({ email }, {})

  return {
    world,
    simulator,
    config: configIn(world, apiService, { ...addresses, ...unlimitedCalls }),
    contactsConfig: configIn(world, contactsService, addresses),
    campaignsConfig: configIn(world, campaignsService, { ...addresses, ...environment }),
    account,
    invite,
    resetToken,
    resetSecondFactor,
    number,
    signUp,
    deliver,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

export type Stack = Awaited<ReturnType<typeof openStack>>

/** The variables that name where services listen. */
function addressesIn(ports: Record<ServiceName, { grpc: number }>): Record<string, string> {
  const variables = services.map((name) => [
    `LOCKSTEP_${name.replaceAll('-', '_').toUpperCase()}_ADDRESS`,
    `127.0.0.1:${ports[name].grpc}`,
  ])
  return Object.fromEntries(variables)
}

/** An API key, a person's cookie, or nothing where it is empty. */
const credentials = (key: string): Record<string, string> =>
  /^lockstep(?:-step)?=/.test(key) ? { cookie: key } : key ? { authorization: `Bearer ${key}` } : {}

/** The cookie of a response, as a browser sends it again. */
export const cookieOf = ({ headers }: Reply): string =>
  headers.get('set-cookie')?.split(';')[0] ?? ''

export const password = 'correct horse battery'

/** Somebody who is a member of the account from now on, and signed in. */
export async function member(
  stack: Stack,
  api: Api,
  accountId: string,
  role: string,
  name = 'Ana',
): Promise<{ id: string; email: string; cookie: string; sessionId: string }> {
  const email = `${name.toLowerCase()}-${crypto.randomUUID()}@example.com`
  const token = await stack.invite(accountId, role, email)
  const reply = await api.ask('', 'POST', '/v1/invitations/accept', { token, name, password })
  if (reply.status !== 201) throw new Error(JSON.stringify(reply.json))
  const { person, session } = reply.json
  return { id: person.id, email, cookie: cookieOf(reply), sessionId: session.id }
}

/** What an authenticator app shows; `later` in so many times 30 s. */
export const totpCode = (secret: string, later = 0): string =>
  new TOTP({ secret }).generate({ timestamp: Date.now() + later * 30_000 })

/** A running API, and requests to it by the key of an account. */
export async function openApi(config: Stack['config'], overrides: BaseOverrides = { scale }) {
  const service = await startService(apiService, config, overrides)
  const url = `http://127.0.0.1:${service.httpPort}`

  async function ask(
    key: string,
    method: string,
    route: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    const typed = body === undefined ? {} : { 'content-type': 'application/json' }
    const raw =
      typeof body === 'string' || body instanceof ReadableStream ? body : JSON.stringify(body)
    const init = {
      method,
      headers: { ...credentials(key), ...typed, ...headers },
      body: raw,
      duplex: 'half',
    }
    const response = await fetch(url + route, init as RequestInit)
    return { status: response.status, headers: response.headers, json: await response.json() }
  }

  return { ...service, url, ask, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() }
}

export type Api = Awaited<ReturnType<typeof openApi>>

/** An account with a connected number and synced templates, all done through the API. */
export async function tenant(stack: Stack, api: Api, phoneNumberId: string) {
  const { accountId, key } = await stack.account()
  const client = createClient({ url: api.url, apiKey: key })
  const app = { name: 'App', meta_app_id: '1', secret: 'app-secret', verify_token: 'verify' }
  const { id: appId } = await client.createApp({ body: app })
  const number = await stack.number(phoneNumberId)
  const { id: connectionId } = await client.createConnection({ body: { ...number, app_id: appId } })
  const { id: syncId } = await client.startTemplateSync({ id: connectionId })
  await until(async () => (await client.getTemplateSync({ id: syncId })).state === 'done')
  return { accountId, key, client, appId, connectionId, syncId }
}

/** A campaign as its caller orders it. */
export const draft = (connectionId: string, name = 'Spring') => ({
  name,
  connection_id: connectionId,
  template_name: 'hello',
  template_language: 'en_US',
  filter: { tags: ['spring'] },
  values: { 'body.1': '{{name}}' },
})

/** Imports a CSV and waits for its end. */
export async function importCsv(api: Api, key: string, csv: string): Promise<Reply> {
  const begun = await api.ask(key, 'POST', '/v1/contact-imports?file_name=people.csv', csv, {
    'content-type': 'text/csv',
  })
  return until(async () => {
    const now = await api.ask(key, 'GET', `/v1/contact-imports/${begun.json.id}`)
    return ['done', 'failed'].includes(now.json.state) ? now : undefined
  })
}

/** Keeps everyone from a table while `work` runs, so that a request that needs it stays under way. */
export function whileLocked<T>(world: World, table: string, work: () => Promise<T>): Promise<T> {
  return withClient(world.adminUrl, async (client) => {
    await client.query('begin')
    await client.query(`lock table ${table} in access exclusive mode`)
    try {
      return await work()
    } finally {
      await client.query('rollback')
    }
  })
}

/** Waits until somebody waits for a table. */
export const untilBlocked = (world: World, table: string) =>
  until(
    async () =>
      (
        await world.sql(`select 1 from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
      where relation = '${table}'::regclass and not granted`)
      ).length > 0,
  )

/** The file in `golden` with a route's request and response. */
export const goldenFileOf = ({ method, path: route }: Route): string =>
  `${method.toLowerCase()}-${route.slice('/v1/'.length).replaceAll(/\W+/g, '-')}.json`
