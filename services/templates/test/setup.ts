import path from 'node:path'
import { start as startAccounts } from '@lockstep/accounts'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { createWorld, until } from '@lockstep/testing'
import { start as startGateway } from '@lockstep/webhook-gateway'
import { signBody } from '@lockstep/whatsapp'
import { startSimulator, type TemplateInput } from '../../../tools/meta-simulator/src/index.ts'
import type { Config } from '../src/config.ts'
import { start } from '../src/service.ts'

/** Every time of the services under test is a twentieth. */
export const scale = 0.05
export const wabaId = '202'
const secret = 'app-secret'

export function template(name: string, more: Partial<TemplateInput> = {}): TemplateInput {
  return { name, language: 'en_US', category: 'MARKETING', components: [{ type: 'BODY', text: `Hello from ${name}` }], ...more }
}

/** A world with Meta, accounts and templates running, and clients of both. */
export async function openStack(templates: TemplateInput[] = [template('welcome')]) {
  await using up = new AsyncDisposableStack()
  const world = up.use(await createWorld())
  const logFile = path.join(world.nats.dir, 'simulator.ndjson')
  const simulator = up.use(await startSimulator({ logFile, state: { templates: { [wabaId]: templates } } }))
  const { encryptionKey, platformKey } = world
  const graph = { encryptionKey, graphUrl: simulator.url, graphVersion: 'v24.0' }
  const at = ({ grpcPort }: { grpcPort: number }) => `127.0.0.1:${grpcPort}`
  const accountsAddress = at(up.use(await startAccounts({ ...world.base('accounts'), ...graph, gatewayAddress: '127.0.0.1:9' }, { scale })))
  const gatewayConfig = { ...world.base('webhook-gateway'), encryptionKey, platformKey, httpPort: 0, accountsAddress }
  const gatewayService = up.use(await startGateway(gatewayConfig, { scale }))
  const config: Config = { ...world.base('templates'), ...graph, accountsAddress, gatewayAddress: at(gatewayService) }
  const accounts = up.use(connect(AccountsDefinition, accountsAddress))
  const gateway = up.use(connect(WebhookGatewayDefinition, config.gatewayAddress))
  const opened = up.move()

  /** A tenant with a number of the WABA. */
  async function tenant(phoneNumberId: string, token = `token-${phoneNumberId}`) {
    const state = { id: phoneNumberId, wabaId, displayPhoneNumber: `+1 555 ${phoneNumberId}`, token }
    await simulator.client.setState({ numbers: [state] })
    const { id: accountId } = await accounts.createAccount({ name: `Tenant of ${phoneNumberId}` }, {})
    const app = await accounts.createApp({ name: 'App', metaAppId: '1', secret, verifyToken: 'verify' }, { accountId })
    const connection = await accounts.createConnection(
      { name: 'Number', phoneNumberId, wabaId, appId: app.id, accessToken: token },
      { accountId },
    )
    return { accountId, appId: app.id, connectionId: connection.id, state }
  }

  /** Delivers a change of a WABA as Meta does, dated in Unix seconds. */
  async function deliver({ appId }: { appId: string }, change: { field: string; value: object; time: number; waba?: string }) {
    const { field, value, time, waba = wabaId } = change
    // An id of Meta is a number in the body, and may be one that a double can't hold.
    const text = JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: waba, time, changes: [{ field, value }] }] })
    const body = text.replace(/"message_template_id":"(\d+)"/, '"message_template_id":$1')
    const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signBody(secret, Buffer.from(body)) }
    const response = await fetch(`http://127.0.0.1:${gatewayService.httpPort}/webhooks/${appId}`, { method: 'POST', headers, body })
    if (response.status !== 200) throw new Error(`The gateway answered ${response.status}`)
  }

  /** How many parts ended with which outcome, once so many have ended. */
  function outcomes(parts: number): Promise<Record<string, number>> {
    return until(async () => {
      const { counts } = await gateway.countParts({}, {})
      const byOutcome: Record<string, number> = {}
      for (const count of counts.filter((each) => each.outcome !== 'open'))
        byOutcome[count.outcome] = (byOutcome[count.outcome] ?? 0) + count.parts
      const ended = Object.values(byOutcome).reduce((sum, n) => sum + n, 0)
      return ended === parts ? byOutcome : undefined
    })
  }

  return { world, simulator, accounts, config, tenant, deliver, outcomes, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** A running templates service and its client. */
export async function openService(config: Config) {
  await using up = new AsyncDisposableStack()
  const service = up.use(await start(config, { scale }))
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

  return { client, sync, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
