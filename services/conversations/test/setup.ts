import type { FeedEntry } from '@lockstep/feeds'
import { connect } from '@lockstep/rpc'
import { ConversationsDefinition } from '@lockstep/rpc/gen/conversations'
import { startService } from '@lockstep/service'
import { outcomesOf, postWebhook } from '@lockstep/testing'
import { configIn, startSystem } from '@lockstep/testing/system'
import type { Config } from '../src/config.ts'
import { conversationsService } from '../src/service.ts'

/** Every time of the services under test is a twentieth. */
export const scale = 0.05
const secret = 'app-secret'
/** The services that conversations needs. */
const peers = ['accounts', 'webhook-gateway', 'contacts', 'campaigns'] as const

export interface Tenant {
  accountId: string
  appId: string
  connectionId: string
  phoneNumberId: string
}

/** A system in which all runs that conversations needs, and the configuration of conversations in it. */
export async function openStack() {
  await using up = new AsyncDisposableStack()
  const system = up.use(await startSystem({ services: peers, scale }))
  const { world, clients, simulator, ports } = system
  const addresses = peers.map((name) => [
    `LOCKSTEP_${name.replaceAll('-', '_').toUpperCase()}_ADDRESS`,
    `127.0.0.1:${ports[name].grpc}`,
  ])
  const config = configIn(world, conversationsService, Object.fromEntries(addresses)) as Config
  const opened = up.move()

  /** An account with an app of its own; `connectNumber` gives it a number. */
  async function account() {
    const { id: accountId } = await clients.accounts.createAccount({ name: 'Acme' }, {})
    const app = await clients.accounts.createApp(
      { name: 'App', metaAppId: '1', secret, verifyToken: 'verify' },
      { accountId },
    )
    return { accountId, appId: app.id }
  }

  async function connectNumber(
    owner: { accountId: string; appId: string },
    phoneNumberId: string,
  ): Promise<Tenant> {
    const token = `token-${phoneNumberId}`
    await simulator.client.setState({
      numbers: [{ id: phoneNumberId, wabaId: '202', displayPhoneNumber: '+1 555', token }],
    })
    const number = { name: 'Number', phoneNumberId, wabaId: '202', accessToken: token }
    const { id } = await clients.accounts.createConnection({ ...number, appId: owner.appId }, owner)
    return { ...owner, connectionId: id, phoneNumberId }
  }

  /** Delivers a webhook as Meta does. */
  async function deliver({ appId }: { appId: string }, body: string): Promise<void> {
    const url = `http://127.0.0.1:${ports['webhook-gateway'].http}/webhooks/${appId}`
    const status = await postWebhook(url, secret, body)
    if (status !== 200) throw new Error(`The gateway answered ${status}`)
  }

  return {
    world,
    accounts: clients.accounts,
    contacts: clients.contacts,
    gateway: clients.webhookGateway,
    config,
    account,
    connectNumber,
    tenant: async (phoneNumberId: string) => connectNumber(await account(), phoneNumberId),
    deliver,
    outcomes: (parts: number) => outcomesOf(clients.webhookGateway, parts),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** A running conversations service and its client. */
export async function openService(config: Config) {
  await using up = new AsyncDisposableStack()
  const service = up.use(await startService(conversationsService, config, { scale }))
  const client = up.use(connect(ConversationsDefinition, `127.0.0.1:${service.grpcPort}`))
  const opened = up.move()
  const metrics = async () => (await fetch(`http://127.0.0.1:${service.healthPort}/metrics`)).text()
  return { client, metrics, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

export interface Sent {
  from: string
  wamid: string
  /** Unix seconds. */
  at: number
  text?: string
  /** The element beside id, sender and time; a text message when missing. */
  node?: { type: string; [key: string]: unknown }
}

/** A webhook body with elements of one number. */
export function body(
  phoneNumberId: string,
  elements: {
    messages?: Sent[]
    statuses?: object[]
    user_preferences?: object[]
    user_id_update?: object[]
  },
): string {
  const { messages, ...rest } = elements
  const field =
    (['user_preferences', 'user_id_update'] as const).find((name) => elements[name]) ?? 'messages'
  const metadata = { display_phone_number: '15550001', phone_number_id: phoneNumberId }
  const contacts = messages?.map(({ from }) => ({
    wa_id: from,
    profile: { name: `Person ${from}` },
  }))
  const value = {
    messaging_product: 'whatsapp',
    metadata,
    contacts,
    messages: messages?.map(element),
    ...rest,
  }
  return JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: '202', changes: [{ field, value }] }],
  })
}

function element({
  from,
  wamid,
  at,
  text = '',
  node = { type: 'text', text: { body: text } },
}: Sent): object {
  return { from, id: wamid, timestamp: String(at), ...node }
}

let entries = 0
/** A taken part as the gateway's feed answers it. */
export function entry(raw: string, appId: string, asOfMs: number, key = '101'): FeedEntry {
  return {
    id: String(++entries),
    key,
    kind: '',
    accountId: '',
    rowId: '',
    body: Buffer.from(raw),
    attempts: 0,
    asOfMs,
    appId,
  }
}
