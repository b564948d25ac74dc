import path from 'node:path'
import { start as startAccounts } from '@lockstep/accounts'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import { createWorld, until } from '@lockstep/testing'
import { startSimulator, type TemplateInput } from '../../../tools/meta-simulator/src/index.ts'
import type { Config } from '../src/config.ts'
import { start } from '../src/service.ts'

/** Every time of the services under test is a twentieth. */
export const scale = 0.05
export const wabaId = '202'

export function template(name: string, more: Partial<TemplateInput> = {}): TemplateInput {
  return { name, language: 'en_US', category: 'MARKETING', components: [{ type: 'BODY', text: `Hello from ${name}` }], ...more }
}

/** A world with Meta, accounts and templates running, and clients of both. */
export async function openStack(templates: TemplateInput[] = [template('welcome')]) {
  await using up = new AsyncDisposableStack()
  const world = up.use(await createWorld())
  const logFile = path.join(world.nats.dir, 'simulator.ndjson')
  const simulator = up.use(await startSimulator({ logFile, state: { templates: { [wabaId]: templates } } }))
  const common = { encryptionKey: world.encryptionKey, graphUrl: simulator.url, graphVersion: 'v24.0', gatewayAddress: '127.0.0.1:1' }
  const accountsService = up.use(await startAccounts({ ...world.base('accounts'), ...common }, { scale }))
  const accountsAddress = `127.0.0.1:${accountsService.grpcPort}`
  const config: Config = { ...world.base('templates'), ...common, accountsAddress }
  const accounts = up.use(connect(AccountsDefinition, accountsAddress))
  const opened = up.move()

  /** A tenant with a number of the WABA. */
  async function tenant(phoneNumberId: string, token = `token-${phoneNumberId}`) {
    const state = { id: phoneNumberId, wabaId, displayPhoneNumber: `+1 555 ${phoneNumberId}`, token }
    await simulator.client.setState({ numbers: [state] })
    const { id: accountId } = await accounts.createAccount({ name: `Tenant of ${phoneNumberId}` }, {})
    const app = await accounts.createApp({ name: 'App', metaAppId: '1', secret: 'app-secret', verifyToken: 'verify' }, { accountId })
    const connection = await accounts.createConnection(
      { name: 'Number', phoneNumberId, wabaId, appId: app.id, accessToken: token },
      { accountId },
    )
    return { accountId, appId: app.id, connectionId: connection.id, state }
  }

  return { world, simulator, accounts, config, tenant, [Symbol.asyncDispose]: () => opened.disposeAsync() }
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
