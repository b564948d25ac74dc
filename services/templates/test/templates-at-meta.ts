import type { TemplateInput } from '@lockstep/meta-simulator'
import { connect } from '@lockstep/rpc'
import { type Template, TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import { owning, startService } from '@lockstep/service'
import { outcomesOf, postWebhook, until } from '@lockstep/testing'
import { configIn, startSystem, type TestSystem } from '@lockstep/testing/system'
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

/** A service's configuration in a system that runs without it. */
function configBeside({ world, simulator, ports }: TestSystem) {
  return configIn(world, templatesService, {
    LOCKSTEP_GRAPH_URL: simulator.url,
    LOCKSTEP_ACCOUNTS_ADDRESS: `127.0.0.1:${ports.accounts.grpc}`,
    LOCKSTEP_WEBHOOK_GATEWAY_ADDRESS: `127.0.0.1:${ports['webhook-gateway'].grpc}`,
  })
}

/** Accounts and the gateway with Meta simulated, which holds templates of one WABA. */
export async function openStack(templates: TemplateInput[] = [template('welcome')]) {
  await using stack = new AsyncDisposableStack()
  const system = stack.use(await startSystem({ services: ['accounts', 'webhook-gateway'], scale }))
  const { world, simulator, clients, webhookUrl } = system
  const { accounts } = clients
  await simulator.client.setState({ templates: { [wabaId]: templates } })
  const config = configBeside(system)

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

  /**
   * Delivers a change of a WABA as Meta does, dated in Unix seconds; further ones come in the same
   * entry.
   */
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
    const status = await postWebhook(webhookUrl({ appId }), secret, body)
    if (status !== 200) throw new Error(`The gateway answered ${status}`)
  }

  const outcomes = (parts: number) => outcomesOf(clients.webhookGateway, parts)
  return owning(
    { world, simulator, accounts, config, tenant, connectNumber, deliver, outcomes },
    stack,
  )
}

/** A running templates service and its client. */
export async function openService(config: ReturnType<typeof configBeside>) {
  await using stack = new AsyncDisposableStack()
  const service = stack.use(await startService(templatesService, config, { scale }))
  const client = stack.use(connect(TemplatesDefinition, `127.0.0.1:${service.grpcPort}`))

  /** Asks for a sync and waits for its end. */
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

  return owning({ client, sync, listAll }, stack)
}
