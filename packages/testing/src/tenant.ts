import { randomBytes } from 'node:crypto'
import { everyRight } from '@lockstep/contracts'
import { demoTemplates, type Simulator } from '@lockstep/meta-simulator'
import type { PortPlan } from '@lockstep/system'
import type { Clients } from './clients.ts'
import { until } from './world.ts'

/** One tenant with an app, a connected number and synced templates. */
export interface Tenant {
  accountId: string
  apiKey: string
  appId: string
  appSecret: string
  connectionId: string
  phoneNumberId: string
  wabaId: string
  accessToken: string
}

/** Limits of a tenant's number. */
export interface NumberLimits {
  perMinute: number
  perSecond: number
}

interface Place {
  simulator: Simulator
  ports: PortPlan
  clients: Clients
}

let numbers = 0

/** Makes an account with an app, a connected number and synced templates; Meta knows the same. */
export async function addTenant(place: Place, limits: NumberLimits): Promise<Tenant> {
  const { clients } = place
  const n = ++numbers
  const name = `Tenant ${n}`
  const { id: accountId } = await clients.accounts.createAccount({ name }, {})
  const { key: apiKey } = await clients.accounts.createApiKey(
    { name, rights: [everyRight], heldRights: [everyRight] },
    { accountId },
  )
  const meta = {
    metaAppId: String(3_000_000 + n),
    appSecret: randomBytes(16).toString('hex'),
    phoneNumberId: String(1_000_000 + n),
    wabaId: String(2_000_000 + n),
    accessToken: randomBytes(16).toString('hex'),
  }
  const { id: appId } = await clients.accounts.createApp(
    { name, metaAppId: meta.metaAppId, secret: meta.appSecret, verifyToken: 'verify' },
    { accountId },
  )
  await makeKnownToMeta(place, { ...meta, name, n, appId })
  const { metaAppId: _, ...known } = meta
  const connectionId = await connectNumber(clients, accountId, { ...known, name, appId }, limits)
  return { accountId, apiKey, appId, connectionId, ...known }
}

interface MetaNumber extends Pick<Tenant, 'appId' | 'phoneNumberId' | 'wabaId' | 'accessToken'> {
  name: string
}

async function makeKnownToMeta(
  { simulator, ports }: Place,
  tenant: MetaNumber & { n: number; metaAppId: string; appSecret: string },
): Promise<void> {
  const { metaAppId, appSecret, wabaId, name, n } = tenant
  const callbackUrl = `http://127.0.0.1:${ports['webhook-gateway'].http}/webhooks/${tenant.appId}`
  await simulator.client.setState({
    apps: [{ id: metaAppId, secret: appSecret, verifyToken: 'verify', callbackUrl }],
    wabas: [{ id: wabaId, name, appIds: [metaAppId] }],
    numbers: [
      {
        id: tenant.phoneNumberId,
        wabaId,
        token: tenant.accessToken,
        displayPhoneNumber: `+1 555 ${n}`,
        verifiedName: name,
        throughputLevel: 'HIGH',
      },
    ],
    templates: { [wabaId]: demoTemplates() },
  })
}

/** Connects a number, sets its limits and waits for its templates; answers the connection's id. */
async function connectNumber(
  clients: Clients,
  accountId: string,
  { name, phoneNumberId, wabaId, appId, accessToken }: MetaNumber,
  limits: NumberLimits,
): Promise<string> {
  const call = { accountId }
  const number = { name, phoneNumberId, wabaId, appId, accessToken }
  const { id } = await clients.accounts.createConnection(number, call)
  await clients.accounts.setConnectionLimits({ id, ...limits }, call)
  const sync = await clients.templates.startSync({ connectionId: id }, call)
  await until(async () => (await clients.templates.getSync({ id: sync.id }, call)).state === 'done')
  return id
}
