import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { type ServiceName, services } from '@lockstep/contracts'
import {
  demoTemplates,
  type SettingsPatch,
  type Simulator,
  startSimulator,
} from '@lockstep/meta-simulator'
import { connectPeers, type PeerName, type Peers, peerKey } from '@lockstep/rpc'
import { definitions } from '@lockstep/rpc/definitions'
import type { Campaign } from '@lockstep/rpc/gen/campaigns'
import type { Import } from '@lockstep/rpc/gen/contacts'
import {
  loadService,
  openEntries,
  type PortPlan,
  planPorts,
  type ServiceProcess,
  type Surroundings,
  spawnService,
  startInProcess,
} from '@lockstep/system'
import { certificateOf } from './certificates.ts'
import type { TestServers } from './test-servers.ts'
import { createWorld, until, type World } from './world.ts'

/** Clients of all services that can be called. */
export type Clients = Peers

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

/** A whole system in a world of its own, with Meta simulated. */
export interface TestSystem extends AsyncDisposable {
  world: World
  simulator: Simulator
  simulatorLog: string
  ports: PortPlan
  surroundings: Surroundings
  clients: Clients
  webhookUrl(tenant: Tenant): string
  /** A further tenant; the number's limits are Meta's upper tier unless they are given. */
  addTenant(limits?: { perMinute: number; perSecond: number }): Promise<Tenant>
  /** Imports contacts with the tag `all`, and waits until they are in. */
  importContacts(tenant: Tenant, phones: string[], tag?: string): Promise<Import>
  /** Creates a campaign to a tag. */
  createCampaign(tenant: Tenant, tag?: string): Promise<Campaign>
  /** Creates and starts a campaign to a tag. */
  startCampaign(tenant: Tenant, tag?: string): Promise<Campaign>
  campaign(tenant: Tenant, id: string): Promise<Campaign>
  untilCampaign(tenant: Tenant, id: string, state: string, timeoutMs?: number): Promise<Campaign>
  /** Waits until Meta has delivered everything and it has had its effect. */
  settled(timeoutMs?: number): Promise<void>
  /** Where an audit of everything that this system keeps looks. */
  audited: { adminUrl: string; simulatorLog: string; redisUrl: string; natsUrl: string }
  /** Starts a further process of a service, with ports of its own. */
  spawn(service: ServiceName): Promise<ServiceProcess>
}

export interface SystemOptions {
  /** Services that run in this process; all by default. Those that are left out may be spawned. */
  services?: readonly ServiceName[]
  /** Multiplies all times of locks, lanes and sweeps. */
  scale?: number
  simulator?: SettingsPatch
  /** Services and clients have certificates: the clients call as the api or the operator, whichever may. */
  tls?: boolean
  /** The servers of `startTestServers`, outside of vitest. */
  servers?: TestServers
}

export async function startSystem(options: SystemOptions = {}): Promise<TestSystem> {
  await using up = new AsyncDisposableStack()
  const world = up.use(await createWorld(options.servers))
  const simulatorLog = path.join(world.nats.dir, '..', 'meta-simulator.ndjson')
  const simulator = up.use(
    await startSimulator({
      port: 0,
      logFile: simulatorLog,
      seed: 1,
      settings: { ...quick, ...options.simulator },
    }),
  )
  const ports = await planPorts()
  const surroundings: Surroundings = {
    postgresUrl: world.roleUrl,
    natsUrl: world.nats.url,
    redisUrl: world.redis.url,
    graphUrl: simulator.url,
    encryptionKey: world.encryptionKey.toString('hex'),
    platformKey: world.platformKey.toString('hex'),
    logLevel: process.env.LOCKSTEP_TEST_LOG ?? 'silent',
    ...(options.tls && { tls: certificateOf }),
  }
  up.use(
    await startInProcess(
      ports,
      surroundings,
      options.services ?? services.filter((s) => s !== 'api'),
      { scale: options.scale ?? 0.1 },
    ),
  )
  const clients = await openClients(up, ports, options.tls)
  const logDir = path.join(world.nats.dir, '..', 'logs')
  await mkdir(logDir, { recursive: true })
  const tools = { world, simulator, simulatorLog, ports, surroundings, clients }
  const stack = up.move()
  return {
    ...tools,
    webhookUrl: (tenant) =>
      `http://127.0.0.1:${ports['webhook-gateway'].http}/webhooks/${tenant.appId}`,
    addTenant: (limits) => addTenant(tools, limits),
    importContacts: (tenant, phones, tag = 'all') => importContacts(clients, tenant, phones, tag),
    createCampaign: (tenant, tag = 'all') => createCampaign(clients, tenant, tag),
    startCampaign: async (tenant, tag = 'all') => {
      const { id } = await createCampaign(clients, tenant, tag)
      return clients.campaigns.startCampaign({ id }, tenant)
    },
    campaign: (tenant, id) => clients.campaigns.getCampaign({ id }, tenant),
    untilCampaign: (tenant, id, state, timeoutMs = 30_000) =>
      until(async () => {
        const campaign = await clients.campaigns.getCampaign({ id }, tenant)
        if (campaign.state !== state)
          throw new Error(
            `The campaign is ${campaign.state}: ${campaign.reason} ${JSON.stringify(campaign.statistics)}`,
          )
        return campaign
      }, timeoutMs),
    settled: (timeoutMs = 30_000) => settled(tools, timeoutMs),
    audited: {
      adminUrl: world.adminUrl,
      simulatorLog,
      redisUrl: world.redis.url,
      natsUrl: world.nats.url,
    },
    async spawn(service) {
      const own = { ...ports, [service]: (await planPorts())[service] }
      return spawnService(service, own, surroundings, logDir)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Statuses come at once; nobody answers and nothing fails unless a test asks for it. */
const quick: SettingsPatch = {
  delaysMs: { sent: 5, failed: 5, delivered: 10, read: 10, reply: 10 },
  webhooks: { batchMs: 10 },
  retry: { baseMs: 50, factor: 2, maxMs: 500 },
}

/** With certificates each method is called as the api, or as the operator where that may. */
async function openClients(
  stack: AsyncDisposableStack,
  ports: PortPlan,
  tls = false,
): Promise<Clients> {
  const names = Object.keys(definitions) as PeerName[]
  const at = (name: PeerName) => `127.0.0.1:${ports[name].grpc}`
  if (!tls) return stack.use(await connectPeers(names, at))
  const api = stack.use(await connectPeers(names, at, certificateOf('api')))
  const operator = stack.use(await connectPeers(names, at, certificateOf('operator')))
  for (const name of names) {
    const { rpc } = await loadService(name)
    const key = peerKey(name)
    const methods = Object.entries(rpc?.callers ?? {}).filter(([, callers]) =>
      callers.includes('operator'),
    )
    for (const [method] of methods)
      Object.assign(api[key], { [method]: operator[key][method as never] })
  }
  return api
}

type Tools = Pick<TestSystem, 'world' | 'simulator' | 'ports' | 'clients'>

let numbers = 0

async function addTenant(
  { simulator, ports, clients }: Tools,
  limits = { perMinute: 60_000, perSecond: 1_000 },
): Promise<Tenant> {
  const name = `Tenant ${++numbers}`
  const phoneNumberId = String(1_000_000 + numbers)
  const wabaId = String(2_000_000 + numbers)
  const metaAppId = String(3_000_000 + numbers)
  const appSecret = randomBytes(16).toString('hex')
  const token = randomBytes(16).toString('hex')
  const { id: accountId } = await clients.accounts.createAccount({ name }, {})
  const call = { accountId }
  const { key: apiKey } = await clients.accounts.createApiKey({ name }, call)
  const { id: appId } = await clients.accounts.createApp(
    { name, metaAppId, secret: appSecret, verifyToken: 'verify' },
    call,
  )
  const callbackUrl = `http://127.0.0.1:${ports['webhook-gateway'].http}/webhooks/${appId}`
  await simulator.client.setState({
    apps: [{ id: metaAppId, secret: appSecret, verifyToken: 'verify', callbackUrl }],
    wabas: [{ id: wabaId, name, appIds: [metaAppId] }],
    numbers: [
      {
        id: phoneNumberId,
        wabaId,
        token,
        displayPhoneNumber: `+1 555 ${numbers}`,
        verifiedName: name,
        throughputLevel: 'HIGH',
      },
    ],
    templates: { [wabaId]: demoTemplates() },
  })
  const connection = await clients.accounts.createConnection(
    { name, phoneNumberId, wabaId, appId, accessToken: token },
    call,
  )
  await clients.accounts.setConnectionLimits({ id: connection.id, ...limits }, call)
  const tenant = {
    accountId,
    apiKey,
    appId,
    appSecret,
    connectionId: connection.id,
    phoneNumberId,
    wabaId,
    accessToken: token,
  }
  const run = await clients.templates.startSync({ connectionId: connection.id }, call)
  await until(async () => (await clients.templates.getSync({ id: run.id }, call)).state === 'done')
  return tenant
}

async function importContacts(
  clients: Clients,
  tenant: Tenant,
  phones: string[],
  tag: string,
): Promise<Import> {
  const csv = Buffer.from(
    `name,phone,tags\n${phones.map((phone, i) => `Person ${i},${phone},${tag}`).join('\n')}\n`,
  )
  async function* chunks() {
    yield { fileName: 'test.csv' }
    for (let at = 0; at < csv.length; at += 200_000) yield { chunk: csv.subarray(at, at + 200_000) }
  }
  const { id } = await clients.contacts.createImport(chunks(), tenant)
  return until(async () => {
    const state = await clients.contacts.getImport({ id }, tenant)
    if (state.state === 'failed') throw new Error(state.failure)
    return state.state === 'done' && state
  }, 60_000)
}

function createCampaign(clients: Clients, tenant: Tenant, tag: string): Promise<Campaign> {
  return clients.campaigns.createCampaign(
    {
      name: 'Spring',
      connectionId: tenant.connectionId,
      templateName: 'spring_offer',
      templateLanguage: 'en_US',
      filter: { tags: [tag] },
      values: { 'header.1': '{{name}}', 'body.1': '20 %', 'body.2': 'Sunday' },
    },
    tenant,
  )
}

async function settled({ world, simulator }: Tools, timeoutMs: number): Promise<void> {
  const { drained } = await simulator.client.drain({ deadlineMs: timeoutMs })
  if (!drained) throw new Error('The simulator could not deliver all webhooks')
  await until(
    async () => (await world.sql<{ open: number }>(openEntries))[0]!.open === 0,
    timeoutMs,
  )
}

/** Valid German mobile numbers, all different. */
export function phones(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `+491512${String(from + i).padStart(7, '0')}`)
}
