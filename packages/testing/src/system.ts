import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { type ServiceName, services } from '@lockstep/contracts'
import { type SettingsPatch, type Simulator, startSimulator } from '@lockstep/meta-simulator'
import type { Campaign } from '@lockstep/rpc/gen/campaigns'
import type { Import } from '@lockstep/rpc/gen/contacts'
import type { BaseOverrides } from '@lockstep/service'
import {
  openEntries,
  type PortPlan,
  planPorts,
  type ServiceProcess,
  type Surroundings,
  spawnService,
  startInProcess,
} from '@lockstep/system'
import { createCampaign, importContacts, untilCampaign } from './campaign.ts'
import { type Clients, openClients } from './clients.ts'
import { surroundingsOf } from './surroundings.ts'
import { addTenant, type NumberLimits, type Tenant } from './tenant.ts'
import type { TestServers } from './test-servers.ts'
import { createWorld, until, type World } from './world.ts'

export { phones } from './campaign.ts'
export type { Clients } from './clients.ts'
export { configIn } from './surroundings.ts'
export type { Tenant } from './tenant.ts'

/** A whole system in a world of its own, with Meta simulated. */
export interface TestSystem extends AsyncDisposable {
  world: World
  simulator: Simulator
  simulatorLog: string
  ports: PortPlan
  surroundings: Surroundings
  clients: Clients
  webhookUrl(tenant: Pick<Tenant, 'appId'>): string
  /** A further tenant; the number's limits are Meta's upper tier unless they are given. */
  addTenant(limits?: NumberLimits): Promise<Tenant>
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
  /** What the services that run in this process use instead of what they would open. */
  overrides?: BaseOverrides
  /** Further environment variables, for every service. */
  environment?: Readonly<Record<string, string>>
  simulator?: SettingsPatch
  /** Numbers are connected only once Meta's handshake with the gateway has succeeded. */
  checksWebhooks?: boolean
  /** With certificates clients call as the api or the operator, whichever may. */
  tls?: boolean
  /** The servers of `startTestServers`, outside of vitest. */
  servers?: TestServers
}

/** Meta's upper tier. */
const upperTier: NumberLimits = { perMinute: 60_000, perSecond: 1_000 }

/** A call to the simulator takes as long as the machine lets it, whatever the scale. */
const callTimes = { graphTimeoutMs: 4_000, staleAfterMs: 8_000 }

/** Starts services in this process, with servers and a simulator of their own. */
export async function startSystem(options: SystemOptions = {}): Promise<TestSystem> {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await createWorld(options.servers))
  const dir = path.join(world.nats.dir, '..')
  const simulatorLog = path.join(dir, 'meta-simulator.ndjson')
  const simulator = stack.use(await simulatorFor(simulatorLog, options.simulator))
  const ports = await planPorts()
  const { environment, checksWebhooks, tls } = options
  const surroundings = surroundingsOf(world, {
    ...{ graphUrl: simulator.url, environment, checksWebhooks, tls },
  })
  const names = options.services ?? services.filter((name) => name !== 'api')
  const overrides = { scale: options.scale ?? 0.1, times: callTimes, ...options.overrides }
  stack.use(await startInProcess(ports, surroundings, names, overrides))
  const clients = await openClients(stack, ports, tls)
  const logDir = path.join(dir, 'logs')
  await mkdir(logDir, { recursive: true })
  const absent = services.filter((name) => name === 'events' && !names.includes(name))
  const parts = { world, simulator, simulatorLog, ports, surroundings, clients, absent }
  const opened = stack.move()
  return {
    ...parts,
    ...stepsIn(parts),
    audited: {
      adminUrl: world.adminUrl,
      simulatorLog,
      redisUrl: world.redis.url,
      natsUrl: world.nats.url,
    },
    async spawn(service) {
      const plan = { ...ports, [service]: (await planPorts())[service] }
      return spawnService(service, plan, surroundings, logDir)
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

type Parts = Pick<TestSystem, 'world' | 'simulator' | 'ports' | 'clients'> & {
  /** Services for which entries may wait for ever. */
  absent: ServiceName[]
}

/** What tests do with a whole system. */
function stepsIn(parts: Parts) {
  const { clients, ports } = parts
  return {
    webhookUrl: ({ appId }: Pick<Tenant, 'appId'>) =>
      `http://127.0.0.1:${ports['webhook-gateway'].http}/webhooks/${appId}`,
    addTenant: (limits: NumberLimits = upperTier) => addTenant(parts, limits),
    importContacts: (tenant: Tenant, numbers: string[], tag = 'all') =>
      importContacts(clients, tenant, numbers, tag),
    createCampaign: (tenant: Tenant, tag = 'all') => createCampaign(clients, tenant, tag),
    startCampaign: async (tenant: Tenant, tag = 'all') => {
      const { id } = await createCampaign(clients, tenant, tag)
      return clients.campaigns.startCampaign({ id }, tenant)
    },
    campaign: (tenant: Tenant, id: string) => clients.campaigns.getCampaign({ id }, tenant),
    untilCampaign: (tenant: Tenant, id: string, state: string, timeoutMs?: number) =>
      untilCampaign(clients, tenant, id, state, timeoutMs),
    settled: (timeoutMs = 30_000) => settled(parts, timeoutMs),
  }
}

/** Statuses come at once; nobody answers and nothing fails unless a test asks for it. */
const quick: SettingsPatch = {
  delaysMs: { sent: 5, failed: 5, delivered: 10, read: 10, reply: 10 },
  webhooks: { batchMs: 10 },
  retry: { baseMs: 50, factor: 2, maxMs: 500 },
}

function simulatorFor(logFile: string, settings: SettingsPatch = {}): Promise<Simulator> {
  return startSimulator({ port: 0, logFile, seed: 1, settings: { ...quick, ...settings } })
}

async function settled({ world, simulator, absent }: Parts, timeoutMs: number): Promise<void> {
  const { drained } = await simulator.client.drain({ deadlineMs: timeoutMs })
  if (!drained) throw new Error('The simulator could not deliver all webhooks')
  await until(
    async () => (await world.sql<{ open: number }>(openEntries(absent)))[0]!.open === 0,
    timeoutMs,
  )
}
