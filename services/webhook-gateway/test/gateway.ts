import { randomBytes } from 'node:crypto'
import { type LaneName, partitionOf } from '@lockstep/contracts'
import { connect, type RpcClient } from '@lockstep/rpc'
import { FeedDefinition } from '@lockstep/rpc/gen/feed'
import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { type BaseOverrides, startService } from '@lockstep/service'
import { postWebhook, until, type World } from '@lockstep/testing'
import { configIn, startSystem } from '@lockstep/testing/system'
import type { Config } from '../src/config.ts'
import { webhookGatewayService } from '../src/service.ts'

export const scale = 0.05

/** An app of a new account at the real accounts service. */
export interface TestApp {
  id: string
  accountId: string
  secret: string
  verifyToken: string
}

/** A system in which only accounts runs, with one app, and the configuration of a gateway in it. */
export async function openWorld() {
  await using up = new AsyncDisposableStack()
  const system = up.use(await startSystem({ services: ['accounts'], scale }))
  const { world, clients, ports } = system

  async function createApp(): Promise<TestApp> {
    const { id: accountId } = await clients.accounts.createAccount({ name: 'Acme' }, {})
    const secret = randomBytes(16).toString('hex')
    const verifyToken = randomBytes(8).toString('hex')
    const { id } = await clients.accounts.createApp(
      { name: 'App', metaAppId: '1234', secret, verifyToken },
      { accountId },
    )
    return { id, accountId, secret, verifyToken }
  }

  const config = configIn(world, webhookGatewayService, {
    LOCKSTEP_ACCOUNTS_ADDRESS: `127.0.0.1:${ports.accounts.grpc}`,
  }) as Config
  const app = await createApp()
  for (const number of ['1001', '1002', '1003', '7007', '8008'])
    await connectNumber(world, app, number)
  const opened = up.move()
  return {
    system,
    world,
    accounts: clients.accounts,
    config,
    app,
    createApp,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** When a connection that a test makes began, and when it ended; null: it hasn't. */
export interface Interval {
  sinceMs: number
  untilMs: number | null
}

const twentyDaysAgo = (): Interval => ({
  sinceMs: Math.floor(Date.now() / 86_400_000 - 20) * 86_400_000,
  untilMs: null,
})

/** The connection's rows as `accounts` would have made them; the gateway sees it when it reads the app. */
export async function connectNumber(
  world: World,
  app: TestApp,
  phoneNumberId: string,
  interval: Partial<Interval> = {},
): Promise<string> {
  const { sinceMs, untilMs } = { ...twentyDaysAgo(), ...interval }
  const [row] = await world.sql<{ id: string }>(
    `with c as (
       insert into accounts.connections (id, account_id, name, phone_number_id, waba_id, app_id, display_phone_number, verified_name,
         sealed_token, per_minute, per_second, max_per_second, quality, connected_at, disconnected_at)
       values (gen_random_uuid(), $1, 'n', $2, 'waba1', $3, '+1', 'n', '', 100, 80, 80, 'GREEN', to_timestamp($4::float8 / 1000), to_timestamp($5::float8 / 1000))
       returning *)
     insert into accounts.connection_intervals (connection_id, account_id, phone_number_id, app_id, waba_id, connected_at, disconnected_at)
     select id, account_id, phone_number_id, app_id, waba_id, connected_at, disconnected_at from c returning connection_id as id`,
    [app.accountId, phoneNumberId, app.id, sinceMs, untilMs],
  )
  return row!.id
}

/** The real gateway, and clients of its endpoints. */
export async function startGateway(config: Config, overrides: BaseOverrides = {}) {
  await using up = new AsyncDisposableStack()
  const service = up.use(await startService(webhookGatewayService, config, { scale, ...overrides }))
  const address = `127.0.0.1:${service.grpcPort}`
  const feed = up.use(connect(FeedDefinition, address))
  const operator = up.use(connect(WebhookGatewayDefinition, address))
  const origin = `http://127.0.0.1:${service.httpPort}`
  const opened = up.move()
  return {
    origin,
    feed,
    operator,
    /** A counter's value in /metrics; 0 when it was never raised. */
    async metric(name: string, labels: Record<string, string>): Promise<number> {
      const text = await (await fetch(`http://127.0.0.1:${service.healthPort}/metrics`)).text()
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
      const line = text
        .split('\n')
        .find(
          (each) =>
            /^[{ ]/.test(each.slice(name.length)) &&
            each.startsWith(name) &&
            wanted.every((label) => each.includes(label)),
        )
      return Number(line?.split(' ').at(-1) ?? 0)
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Sends a webhook as Meta does; answers the status, or 0 when the connection broke. */
export const post = (
  origin: string,
  app: TestApp,
  raw: Buffer | string,
  headers?: Record<string, string>,
): Promise<number> =>
  postWebhook(`${origin}/webhooks/${app.id}`, app.secret, raw, headers).catch(() => 0)

export interface Change {
  field: string
  value: object
}

/** A webhook body of one WABA. */
export const bodyOf = (...changes: Change[]): string =>
  JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: 'waba1', changes }] })

/** A change with one inbound text message. */
export function message(text: string, phoneNumberId = '1001'): Change {
  const from = '15550001111'
  const messages = [
    {
      from,
      id: `wamid.${randomBytes(6).toString('hex')}`,
      timestamp: '1764000000',
      type: 'text',
      text: { body: text },
    },
  ]
  return {
    field: 'messages',
    value: {
      messaging_product: 'whatsapp',
      metadata: { phone_number_id: phoneNumberId },
      messages,
    },
  }
}

/** A change with one status, which echoes a token. */
export function status(token: string, phoneNumberId = '1001'): Change {
  const statuses = [
    {
      id: 'wamid.S',
      status: 'sent',
      timestamp: '1764000000',
      recipient_id: '15550001111',
      biz_opaque_callback_data: token,
    },
  ]
  return {
    field: 'messages',
    value: {
      messaging_product: 'whatsapp',
      metadata: { phone_number_id: phoneNumberId },
      statuses,
    },
  }
}

/** Every stored body as it was received. */
export async function storedBodies(world: World): Promise<string[]> {
  const rows = await world.sql<{ raw: Buffer }>(
    'select raw from webhook_gateway.webhook_bodies order by id',
  )
  return rows.map(({ raw }) => raw.toString())
}

export interface PartRow {
  lane: string | null
  key: string | null
  field: string | null
  elements: number
  whole: boolean
  outcome: string | null
  open: boolean
}

/** Every stored part, in order; `open` says that an entry of the feed refers to it. */
export function storedParts(world: World): Promise<PartRow[]> {
  return world.sql(`select lane, key, field, elements, content is null as whole, outcome,
      exists (select from webhook_gateway.feed_open f where f.row_id = p.id::text and f.lane = p.lane and f.key = p.key) as open
    from webhook_gateway.webhook_parts p order by id`)
}

/** Due entries of one key. */
export async function takeOf(
  feed: RpcClient<typeof FeedDefinition>,
  lane: LaneName,
  key: string,
  limits: { maxEntries?: number; maxBytes?: number } = {},
) {
  const { entries } = await feed.take({ lane, partitions: [partitionOf(lane, key)], ...limits }, {})
  return entries.filter((entry) => entry.key === key)
}

/** Waits until the gateway has read the app's secrets. */
export const untilKnown = (origin: string, app: TestApp) =>
  until(async () => (await fetch(handshakeUrl(origin, app, app.verifyToken))).status === 200)

export function handshakeUrl(
  origin: string,
  app: TestApp,
  token: string,
  challenge = '1158201444',
): string {
  const query = new URLSearchParams({
    'hub.mode': 'subscribe',
    'hub.verify_token': token,
    'hub.challenge': challenge,
  })
  return `${origin}/webhooks/${app.id}?${query}`
}
