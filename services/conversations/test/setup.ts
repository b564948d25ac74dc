import path from 'node:path'
import { accountsService } from '@lockstep/accounts'
import { campaignsService } from '@lockstep/campaigns'
import { contactsService } from '@lockstep/contacts'
import type { FeedEntry } from '@lockstep/feeds'
import { startSimulator } from '@lockstep/meta-simulator'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { ConversationsDefinition } from '@lockstep/rpc/gen/conversations'
import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { startService } from '@lockstep/service'
import { createWorld, outcomesOf, postWebhook } from '@lockstep/testing'
import { webhookGatewayService } from '@lockstep/webhook-gateway'
import type { Config } from '../src/config.ts'
import { conversationsService } from '../src/service.ts'

/** Every time of the services under test is a twentieth. */
export const scale = 0.05
const secret = 'app-secret'

export interface Tenant {
  accountId: string
  appId: string
  connectionId: string
  phoneNumberId: string
}

/** A world in which everything runs that conversations needs, and clients to look at what it did. */
export async function openStack() {
  await using up = new AsyncDisposableStack()
  const world = up.use(await createWorld())
  const { encryptionKey, platformKey } = world
  const { addresses: nowhere } = world.base('conversations')
  const simulator = up.use(
    await startSimulator({ logFile: path.join(world.nats.dir, 'simulator.ndjson') }),
  )
  const graph = { graphUrl: simulator.url, graphVersion: 'v24.0' }
  const at = ({ grpcPort }: { grpcPort: number }) => `127.0.0.1:${grpcPort}`
  const accounts = at(
    up.use(
      await startService(
        accountsService,
        { ...world.base('accounts'), ...graph, encryptionKey },
        { scale },
      ),
    ),
  )
  const gatewayConfig = {
    ...world.base('webhook-gateway'),
    encryptionKey,
    platformKey,
    httpPort: 0,
    addresses: { ...nowhere, accounts },
  }
  const gatewayService = up.use(await startService(webhookGatewayService, gatewayConfig, { scale }))
  const gateway = at(gatewayService)
  const contacts = at(
    up.use(await startService(contactsService, { ...world.base('contacts') }, { scale })),
  )
  const addresses = { ...nowhere, accounts, contacts, 'webhook-gateway': gateway }
  const campaignsConfig = {
    ...world.base('campaigns'),
    ...graph,
    encryptionKey,
    platformKey,
    sendConcurrency: 4,
    sendSockets: 4,
    addresses,
  }
  const campaigns = at(up.use(await startService(campaignsService, campaignsConfig, { scale })))
  const config: Config = {
    ...world.base('conversations'),
    addresses: { ...addresses, campaigns },
  }
  const clients = {
    accounts: up.use(connect(AccountsDefinition, accounts)),
    contacts: up.use(connect(ContactsDefinition, contacts)),
    gateway: up.use(connect(WebhookGatewayDefinition, gateway)),
  }
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
    const number = {
      name: 'Number',
      phoneNumberId,
      wabaId: '202',
      appId: owner.appId,
      accessToken: token,
    }
    const { id } = await clients.accounts.createConnection(number, owner)
    return { ...owner, connectionId: id, phoneNumberId }
  }

  /** Delivers a webhook as Meta does. */
  async function deliver({ appId }: { appId: string }, body: string): Promise<void> {
    const status = await postWebhook(
      `http://127.0.0.1:${gatewayService.httpPort}/webhooks/${appId}`,
      secret,
      body,
    )
    if (status !== 200) throw new Error(`The gateway answered ${status}`)
  }

  return {
    ...clients,
    world,
    config,
    account,
    connectNumber,
    tenant: async (phoneNumberId: string) => connectNumber(await account(), phoneNumberId),
    deliver,
    outcomes: (parts: number) => outcomesOf(clients.gateway, parts),
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
