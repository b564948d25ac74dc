import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { demoTemplates } from '@lockstep/meta-simulator'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { type ApiClient, createApiClient } from './api-client.ts'
import { dataDir, type Stack } from './stack.ts'

/** Every address and development credential, as .lockstep/ready.json holds them while the stack runs. */
export interface Ready {
  pid: number
  gateway: string
  api: string
  simulator: string
  postgres: string
  nats: string
  redis: string
  account_id: string
  api_key: string
  app_id: string
  app_secret: string
  verify_token: string
  /** Where the app's webhooks go. */
  webhook_url: string
  connection_id: string
  phone_number_id: string
  waba_id: string
  access_token: string
  simulator_log: string
  /** Health, readiness and metrics of each service. */
  health: Record<string, string>
  /** host:port of each service's gRPC door. */
  grpc: Record<string, string>
}

type Tenant = Pick<Ready, 'account_id' | 'api_key' | 'app_id' | 'app_secret' | 'verify_token' | 'connection_id'>

const number = { phone_number_id: '106540352242922', waba_id: '102290129340398', access_token: 'simulated-access-token' }
const metaAppId = '670843887433847'
/** A number of Meta's upper tier, so that the demo ends in seconds. */
const tier = { level: 'HIGH', per_second: 1_000, per_minute: 60_000 } as const

export const readyFile = path.join(dataDir, 'ready.json')
const tenantFile = path.join(dataDir, 'dev', 'tenant.json')

/** Makes the demo's tenant on the first start, and tells the simulator about its app and number on each. */
export async function setUp(stack: Stack): Promise<{ ready: Ready; api: ApiClient; isNew: boolean }> {
  const isNew = !existsSync(tenantFile)
  const known = isNew ? null : (JSON.parse(readFileSync(tenantFile, 'utf8')) as Tenant)
  const secrets = known ?? { app_secret: randomBytes(16).toString('hex'), verify_token: randomBytes(8).toString('hex') }
  const account = known ?? (await createAccount(stack))
  const api = createApiClient(stack.urls.api, account.api_key)
  const app_id = known?.app_id ?? (await createApp(api, secrets))
  const webhook_url = `${stack.urls.gateway}/webhooks/${app_id}`
  await tellSimulator(stack, secrets, webhook_url)
  const connection_id = known?.connection_id ?? (await connectNumber(api, app_id))
  const tenant: Tenant = { account_id: account.account_id, api_key: account.api_key, app_id, ...secrets, connection_id }
  writeFileSync(tenantFile, JSON.stringify(tenant, null, 2), { mode: 0o600 })
  const ready: Ready = {
    pid: process.pid,
    gateway: stack.urls.gateway,
    api: stack.urls.api,
    simulator: stack.simulator.url,
    postgres: stack.urls.postgresAdmin,
    nats: stack.urls.nats,
    redis: stack.urls.redis,
    ...tenant,
    webhook_url,
    ...number,
    simulator_log: stack.simulator.logFile,
    health: Object.fromEntries(Object.entries(stack.ports).map(([service, ports]) => [service, `http://127.0.0.1:${ports.health}`])),
    grpc: Object.fromEntries(Object.entries(stack.ports).map(([service, ports]) => [service, `127.0.0.1:${ports.grpc}`])),
  }
  writeFileSync(readyFile, JSON.stringify(ready, null, 2), { mode: 0o600 })
  return { ready, api, isNew }
}

/** The stack no longer runs. */
export function removeReadyFile(): void {
  rmSync(readyFile, { force: true })
}

async function createAccount(stack: Stack): Promise<{ account_id: string; api_key: string }> {
  using accounts = connect(AccountsDefinition, `127.0.0.1:${stack.ports.accounts.grpc}`)
  const { id } = await accounts.createAccount({ name: 'Greenhouse & Sons' }, {})
  const { key } = await accounts.createApiKey({ name: 'npm start' }, { accountId: id })
  return { account_id: id, api_key: key }
}

async function createApp(api: ApiClient, secrets: Pick<Tenant, 'app_secret' | 'verify_token'>): Promise<string> {
  const app = { name: 'Demo app', meta_app_id: metaAppId, secret: secrets.app_secret, verify_token: secrets.verify_token }
  return (await api.post<{ id: string }>('/v1/apps', app)).id
}

async function connectNumber(api: ApiClient, app_id: string): Promise<string> {
  const { id } = await api.post<{ id: string }>('/v1/connections', { ...number, name: 'Demo number', app_id })
  await api.put(`/v1/connections/${id}/limits`, { per_minute: tier.per_minute, per_second: tier.per_second })
  return id
}

async function tellSimulator(stack: Stack, secrets: Pick<Tenant, 'app_secret' | 'verify_token'>, callbackUrl: string): Promise<void> {
  const { phone_number_id: id, waba_id: wabaId, access_token: token } = number
  await stack.simulator.client.setState({
    apps: [{ id: metaAppId, secret: secrets.app_secret, verifyToken: secrets.verify_token, callbackUrl }],
    wabas: [{ id: wabaId, name: 'Greenhouse & Sons', appIds: [metaAppId] }],
    numbers: [{ id, wabaId, token, displayPhoneNumber: '+1 555-078-3881', verifiedName: 'Greenhouse & Sons', throughputLevel: tier.level }],
    templates: { [wabaId]: demoTemplates() },
  })
}
