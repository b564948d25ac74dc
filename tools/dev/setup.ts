import { randomBytes } from 'node:crypto'
import { type Client, createClient } from '@lockstep/client'
import { everyRight } from '@lockstep/contracts'
import { withClient } from '@lockstep/database'
import { demoTemplates } from '@lockstep/meta-simulator'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { type Ready, writeReady } from './ready.ts'
import type { Stack } from './stack.ts'
import { dataDir, readTenant, type Tenant, tenantIsMissing, writeTenant } from './state.ts'

const number = {
  phone_number_id: '106540352242922',
  waba_id: '102290129340398',
  access_token: 'simulated-access-token',
}
const metaAppId = '670843887433847'
/** A number of Meta's upper tier, so that the demo ends in seconds. */
const tier = { level: 'HIGH', per_second: 1_000, per_minute: 60_000 } as const

/** Makes the demo's tenant on the first start, and tells the simulator about its app and number on each. */
export async function setUp(stack: Stack): Promise<{ ready: Ready; api: Client; isNew: boolean }> {
  const { tenant, api, isNew } = await makeTenant(stack)
  const at = (what: 'health' | 'grpc', prefix: string) =>
    Object.fromEntries(
      Object.entries(stack.ports).map(([service, ports]) => [
        service,
        `${prefix}127.0.0.1:${ports[what]}`,
      ]),
    )
  const ready = writeReady({
    gateway: stack.urls.gateway,
    api: stack.urls.api,
    simulator: stack.simulator.url,
    postgres: stack.urls.postgresAdmin,
    nats: stack.urls.nats,
    redis: stack.urls.redis,
    ...tenant,
    webhook_url: webhookUrl(stack, tenant),
    ...number,
    simulator_log: stack.simulator.logFile,
    health: at('health', 'http://'),
    grpc: at('grpc', ''),
  })
  return { ready, api, isNew }
}

const webhookUrl = (stack: Stack, { app_id }: Pick<Tenant, 'app_id'>) =>
  `${stack.urls.gateway}/webhooks/${app_id}`

/** Each step is written down before the next: a start that is stopped in the middle is gone on with. */
async function makeTenant(stack: Stack): Promise<{ tenant: Tenant; api: Client; isNew: boolean }> {
  const known = await knownTenant(stack)
  const secrets = {
    app_secret: known.app_secret ?? randomBytes(16).toString('hex'),
    verify_token: known.verify_token ?? randomBytes(8).toString('hex'),
  }
  const account = accountOf(known) ?? (await createAccount(stack))
  const steps: Partial<Tenant> = { ...known, ...secrets, ...account }
  if (!accountOf(known)) writeTenant(dataDir, steps)
  const api = createClient({ url: stack.urls.api, apiKey: account.api_key })
  const app_id = known.app_id ?? (await createApp(stack, api, secrets))
  if (!known.app_id) writeTenant(dataDir, { ...steps, app_id })
  await tellSimulator(stack, secrets, webhookUrl(stack, { app_id }))
  const connection_id =
    known.connection_id ?? (await connectNumber(stack, api, account.account_id, app_id))
  const tenant: Tenant = { ...secrets, ...account, app_id, connection_id }
  if (!known.connection_id) writeTenant(dataDir, tenant)
  return { tenant, api, isNew: !known.connection_id }
}

const accountOf = ({ account_id, api_key }: Partial<Tenant>) =>
  account_id && api_key ? { account_id, api_key } : undefined

/** The tenant of the last start; nothing if this database is a new one. Throws when the number's account is not the one that is known. */
async function knownTenant(stack: Stack): Promise<Partial<Tenant>> {
  const tenant = readTenant(dataDir)
  const owner = await numberOwner(stack)
  if (owner && owner.account_id !== tenant.account_id) throw tenantIsMissing(dataDir)
  const isHere = await inDatabase(
    stack,
    'select 1 from accounts.accounts where id = $1',
    tenant.account_id,
  )
  return isHere ? tenant : {}
}

const numberOwner = (
  stack: Stack,
): Promise<{ account_id: string; connection_id: string } | undefined> =>
  inDatabase(
    stack,
    'select account_id, connection_id from accounts.connection_intervals where phone_number_id = $1 and disconnected_at is null',
    number.phone_number_id,
  )

/** The first row, as superuser. */
function inDatabase<Row extends object>(
  stack: Stack,
  sql: string,
  value: string | undefined,
): Promise<Row | undefined> {
  return withClient(
    stack.urls.postgresAdmin,
    async (client) => (await client.query<Row>(sql, [value])).rows[0],
  )
}

async function createAccount(stack: Stack): Promise<{ account_id: string; api_key: string }> {
  using accounts = connect(AccountsDefinition, `127.0.0.1:${stack.ports.accounts.grpc}`)
  const { id } = await accounts.createAccount({ name: 'Greenhouse & Sons' }, {})
  const { key } = await accounts.createApiKey(
    { name: 'npm start', rights: [everyRight], heldRights: [everyRight] },
    { accountId: id },
  )
  return { account_id: id, api_key: key }
}

/** The simulator may know the app's secret of an earlier database: Lockstep asks it. */
async function createApp(
  stack: Stack,
  api: Client,
  secrets: Pick<Tenant, 'app_secret' | 'verify_token'>,
): Promise<string> {
  const app = {
    name: 'Demo app',
    meta_app_id: metaAppId,
    secret: secrets.app_secret,
    verify_token: secrets.verify_token,
  }
  await stack.simulator.client.setState({ apps: [{ id: metaAppId, secret: app.secret }] })
  return (await api.createApp({ body: app })).id
}

async function connectNumber(
  stack: Stack,
  api: Client,
  account_id: string,
  app_id: string,
): Promise<string> {
  const owner = await numberOwner(stack)
  const create = () => api.createConnection({ body: { ...number, name: 'Demo number', app_id } })
  const id = owner?.account_id === account_id ? owner.connection_id : (await create()).id
  const { per_minute, per_second } = tier
  await api.setConnectionLimits({ id, body: { per_minute, per_second } })
  return id
}

async function tellSimulator(
  stack: Stack,
  secrets: Pick<Tenant, 'app_secret' | 'verify_token'>,
  callbackUrl: string,
): Promise<void> {
  const { phone_number_id: id, waba_id: wabaId, access_token: token } = number
  await stack.simulator.client.setState({
    apps: [
      { id: metaAppId, secret: secrets.app_secret, verifyToken: secrets.verify_token, callbackUrl },
    ],
    wabas: [{ id: wabaId, name: 'Greenhouse & Sons', appIds: [metaAppId] }],
    numbers: [
      {
        id,
        wabaId,
        token,
        displayPhoneNumber: '+1 555-078-3881',
        verifiedName: 'Greenhouse & Sons',
        throughputLevel: tier.level,
      },
    ],
    templates: { [wabaId]: demoTemplates() },
  })
}
