import path from 'node:path'
import { accountsService } from '@lockstep/accounts'
import { startSimulator, type TemplateInput } from '@lockstep/meta-simulator'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { type Template, TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { startService } from '@lockstep/service'
import { createWorld, outcomesOf, postWebhook, until } from '@lockstep/testing'
import { webhookGatewayService } from '@lockstep/webhook-gateway'
import type { Config } from '../src/config.ts'
import { templatesService } from '../src/service.ts'

/** Every time of the services under test is a twentieth. */
export const scale = 0.05
export const wabaId = '202'
const secret = 'app-secret'

export function template(name: string, more: Partial<TemplateInput> = {}): TemplateInput {
  return {
    name,
    language: 'en_US',
    category: 'MARKETING',
    components: [{ type: 'BODY', text: `Hello from ${name}` }],
    ...more,
  }
}

interface Change {
  field: string
  value: object
}

/** A world with Meta, accounts and templates running, and clients of both. */
export async function openStack(templates: TemplateInput[] = [template('welcome')]) {
  await using up = new AsyncDisposableStack()
  const world = up.use(await createWorld())
  const logFile = path.join(world.nats.dir, 'simulator.ndjson')
  const simulator = up.use(
    await startSimulator({ logFile, state: { templates: { [wabaId]: templates } } }),
  )
  const { encryptionKey, platformKey } = world
  const { addresses: nowhere } = world.base('templates')
  const graph = { encryptionKey, graphUrl: simulator.url, graphVersion: 'v24.0' }
  const at = ({ grpcPort }: { grpcPort: number }) => `127.0.0.1:${grpcPort}`
  const accountsAddress = at(
    up.use(await startService(accountsService, { ...world.base('accounts'), ...graph }, { scale })),
  )
  const gatewayConfig = {
    ...world.base('webhook-gateway'),
    encryptionKey,
    platformKey,
    httpPort: 0,
    addresses: { ...nowhere, accounts: accountsAddress },
  }
  const gatewayService = up.use(await startService(webhookGatewayService, gatewayConfig, { scale }))
  const config: Config = {
    ...world.base('templates'),
    ...graph,
    addresses: { ...nowhere, accounts: accountsAddress, 'webhook-gateway': at(gatewayService) },
  }
  const accounts = up.use(connect(AccountsDefinition, accountsAddress))
  const gateway = up.use(connect(WebhookGatewayDefinition, config.addresses['webhook-gateway']))
  const opened = up.move()

  /** A tenant with a number of the WABA. */
  async function tenant(phoneNumberId: string) {
    const { id: accountId } = await accounts.createAccount(
      { name: `Tenant of ${phoneNumberId}` },
      {},
    )
    const app = await accounts.createApp(
      { name: 'App', metaAppId: '1', secret, verifyToken: 'verify' },
      { accountId },
    )
    return connectNumber({ accountId, appId: app.id }, phoneNumberId)
  }

  /** Connects a number for a tenant. */
  async function connectNumber(
    { accountId, appId }: { accountId: string; appId: string },
    phoneNumberId: string,
    waba = wabaId,
  ) {
    const state = {
      id: phoneNumberId,
      wabaId: waba,
      displayPhoneNumber: `+1 555 ${phoneNumberId}`,
      token: `token-${phoneNumberId}`,
    }
    await simulator.client.setState({ numbers: [state] })
    const { id: connectionId } = await accounts.createConnection(
      { name: 'Number', phoneNumberId, wabaId: waba, appId, accessToken: state.token },
      { accountId },
    )
    return { accountId, appId, connectionId, state }
  }

  /** Delivers a change of a WABA as Meta does, dated in Unix seconds; further ones come in the same entry. */
  async function deliver(
    { appId }: { appId: string },
    change: Change & { time: number; waba?: string },
    ...more: Change[]
  ) {
    const { time, waba = wabaId } = change
    const changes = [change, ...more].map(({ field, value }) => ({ field, value }))
    // An id of Meta is a number in the body, and may be one that a double can't hold.
    const text = JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: waba, time, changes }],
    })
    const body = text.replaceAll(/"message_template_id":"(\d+)"/g, '"message_template_id":$1')
    const status = await postWebhook(
      `http://127.0.0.1:${gatewayService.httpPort}/webhooks/${appId}`,
      secret,
      body,
    )
    if (status !== 200) throw new Error(`The gateway answered ${status}`)
  }

  const outcomes = (parts: number) => outcomesOf(gateway, parts)
  return {
    world,
    simulator,
    accounts,
    config,
    tenant,
    connectNumber,
    deliver,
    outcomes,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** A running templates service and its client. */
export async function openService(config: Config) {
  await using up = new AsyncDisposableStack()
  const service = up.use(await startService(templatesService, config, { scale }))
  const client = up.use(connect(TemplatesDefinition, `127.0.0.1:${service.grpcPort}`))
  const opened = up.move()

  /** Orders a sync and waits for its end. */
  async function sync(tenant: { accountId: string; connectionId: string }) {
    const run = await client.startSync({ connectionId: tenant.connectionId }, tenant)
    return until(async () => {
      const now = await client.getSync({ id: run.id }, tenant)
      return now.finishedAtMs === undefined ? undefined : now
    }, 20_000)
  }

  /** All templates, through every page. */
  async function listAll(tenant: { accountId: string }) {
    const all: Template[] = []
    for (let page: Template[] | undefined; page?.length !== 0; all.push(...page))
      page = (await client.listTemplates({ after: all.at(-1)?.id ?? '', limit: 200 }, tenant))
        .templates
    return all
  }

  return { client, sync, listAll, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
