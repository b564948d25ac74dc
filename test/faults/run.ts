import { rm } from 'node:fs/promises'
import path from 'node:path'
import { type AuditReport, audit, elementKey } from '@lockstep/audit'
import { type ServiceName, services } from '@lockstep/contracts'
import { openRedis, untilReady } from '@lockstep/locks'
import { readLog, type SettingsPatch } from '@lockstep/meta-simulator'
import { addressVariable } from '@lockstep/service'
import { planPorts, type ServiceProcess, type Surroundings, spawnService } from '@lockstep/system'
import { type OwnServers, openProxy, type Proxy as TcpProxy, until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'

/** What was done to the system, and what it did meanwhile; the numbers of the report. */
export interface Tally {
  posts: number
  webhooks: number
  /** Statuses and messages that were delivered once more than once. */
  duplicates: number
  kills: number
  stops: number
  restarts: number
  losses: number
  orders: number
  webhooksRetried: number
  unknownsResolved: number
  unknownsOrdered: number
}

/** Before anything happened. */
export const noTally = (): Tally => ({
  posts: 0,
  webhooks: 0,
  duplicates: 0,
  kills: 0,
  stops: 0,
  restarts: 0,
  losses: 0,
  orders: 0,
  webhooksRetried: 0,
  unknownsResolved: 0,
  unknownsOrdered: 0,
})

/** What a scenario requires besides the invariants, and what was found. */
export interface Requirement {
  name: string
  found: string
  reach: string
  met: boolean
}

/** One run of a scenario: a system whose services are processes that can be killed, and dice that a seed repeats. */
export interface FaultRun extends AsyncDisposable {
  system: TestSystem
  tenant: Tenant
  tally: Tally
  requirements: Requirement[]
  /** What happened, in order, for the one who must understand a violation. */
  history: string[]
  /** The ways of the processes to others, where the scenario wants proxies. */
  ways?: { contacts: TcpProxy }
  /** A whole number from `min` to `max`. */
  dice(min: number, max: number): number
  pick<T>(from: readonly T[]): T
  note(what: string): void
  /** SIGKILL. */
  kill(service: ServiceName): Promise<void>
  /** Starts a service that was killed. */
  restart(service: ServiceName): Promise<void>
  killAndRestart(service: ServiceName): Promise<void>
  /** SIGTERM, and a new process once the old one has ended; throws unless it ended with 0 and in time. */
  roll(service: ServiceName): Promise<void>
  /** SIGSTOP, `work`, SIGCONT. */
  freeze(service: ServiceName, work: () => Promise<void>): Promise<void>
  /** A further process of a service, beside the one that the others call, with a clock that is so many ms off. */
  addWorker(service: ServiceName, clockMs?: number): Promise<void>
  deleteNatsStore(): Promise<void>
  flushRedis(): Promise<void>
  restartRedis(): Promise<void>
  /** PostgreSQL is stopped in immediate mode, and started again. */
  crashPostgres(): Promise<void>
  /** Imports so many contacts under a tag of their own and starts a campaign to them. */
  startCampaign(recipients: number): Promise<{ id: string; tag: string }>
  accepted(campaignId: string): Promise<number>
  /** Waits for the campaign's end and for all webhooks; then no invariant may be broken. */
  finish(campaignId: string, options?: { state?: string; redisWasFlushed?: boolean }): Promise<void>
}

/** What a scenario is run with. */
export interface FaultSetup {
  /** Services that run as processes of their own. */
  processes: readonly ServiceName[]
  simulator?: SettingsPatch
  /** Messages a second that the number may send (100 unless given), in scaled seconds: 5 of them pass in a real one. */
  perSecond?: number
  /** What all times of locks, lanes and sweeps are multiplied by; a fifth unless given. */
  scale?: number
  /** The processes reach contacts through a proxy that can be made slow. */
  proxies?: boolean
  /** How far the clocks of processes are off, ms. */
  clocksMs?: Partial<Record<ServiceName, number>>
}

export interface FaultOptions {
  seed: number
  servers: OwnServers
}

const usualScale = 0.2
/** A service has ended this long after SIGTERM: a few seconds longer than it drains (LOCKSTEP_DRAIN_MS, 15 s). */
const rollMs = 20_000
const allServices = services.filter((name) => name !== 'api')

/** Numbers from a seed: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Starts what a scenario needs. */
export async function startFaultRun(
  scenario: FaultSetup,
  { seed, servers }: FaultOptions,
): Promise<FaultRun> {
  const { processes, simulator, perSecond = 100, scale = usualScale } = scenario
  await using stack = new AsyncDisposableStack()
  const inProcess = allServices.filter((service) => !processes.includes(service))
  const system = stack.use(
    await startSystem({
      services: inProcess,
      scale,
      servers,
      simulator: { seed, latencyMs: { min: 2, max: 20 }, ...simulator },
    }),
  )
  // A process that was killed leaves its locks behind, free for whoever asks: L3 has seen to that. The world would call them leaks.
  stack.defer(() => flush(system))
  const startedAt = performance.now()
  const history: string[] = []
  const diary: Diary = {
    tally: noTally(),
    note: (what) =>
      void history.push(`${((performance.now() - startedAt) / 1000).toFixed(1)} s  ${what}`),
  }
  const ways = scenario.proxies
    ? { contacts: stack.use(await openProxy(`http://127.0.0.1:${system.ports.contacts.grpc}`)) }
    : undefined
  const processFaults = stack.use(await startProcesses(system, scenario, diary, ways))
  const tenant = await system.addTenant({ perMinute: 60_000, perSecond })
  const random = randomFrom(seed)
  const dice = (min: number, max: number) => min + Math.floor(random() * (max - min + 1))
  const opened = stack.move()
  return {
    system,
    tenant,
    history,
    ...(ways && { ways }),
    requirements: [],
    dice,
    pick: (from) => from[dice(0, from.length - 1)]!,
    ...diary,
    ...processFaults,
    ...serverFaults(system, servers, diary),
    ...campaignSteps(system, tenant, dice, diary),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** What is written down of a run. */
type Diary = Pick<FaultRun, 'tally' | 'note'>

type ProcessFaults = Pick<
  FaultRun,
  'kill' | 'restart' | 'killAndRestart' | 'roll' | 'freeze' | 'addWorker'
> &
  AsyncDisposable

/** Starts a scenario's processes; what can be done to them. */
async function startProcesses(
  system: TestSystem,
  setup: FaultSetup,
  { tally, note }: Diary,
  ways: FaultRun['ways'],
): Promise<ProcessFaults> {
  await using stack = new AsyncDisposableStack()
  const processes = stack.use(openProcesses(system, setup, ways))
  const kill = async (service: ServiceName) => {
    note(`SIGKILL to ${service}`)
    await processes.get(service).stop('SIGKILL')
    tally.kills++
  }
  const restart = async (service: ServiceName) => {
    await processes.start(service)
    tally.restarts++
  }
  await Promise.all(setup.processes.map(processes.start))
  const opened = stack.move()
  return {
    kill,
    restart,
    async killAndRestart(service) {
      await kill(service)
      await restart(service)
    },
    async roll(service) {
      note(`SIGTERM to ${service}`)
      await endInTime(service, processes.get(service))
      await restart(service)
    },
    async freeze(service, work) {
      const { pid } = processes.get(service)
      note(`SIGSTOP to ${service}`)
      process.kill(pid, 'SIGSTOP')
      tally.stops++
      try {
        await work()
      } finally {
        process.kill(pid, 'SIGCONT')
        note(`SIGCONT to ${service}`)
      }
    },
    addWorker: processes.addWorker,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** The processes of a scenario; disposing ends all of them. */
function openProcesses(
  system: TestSystem,
  { clocksMs, scale = usualScale }: FaultSetup,
  ways: FaultRun['ways'],
) {
  const running = new Map<ServiceName, ServiceProcess>()
  const further: ServiceProcess[] = []
  const logDir = path.join(system.world.nats.dir, '..', 'logs')
  const around = ways
    ? reaching(system.surroundings, 'contacts', new URL(ways.contacts.url).host)
    : system.surroundings
  const spawn = (service: ServiceName, clockMs = 0, ports = system.ports) => {
    const file = path.join(import.meta.dirname, 'service-process.ts')
    const main = [file, service, String(scale), String(clockMs)]
    return spawnService(service, ports, around, logDir, main)
  }
  return {
    get: (service: ServiceName) => running.get(service)!,
    async start(service: ServiceName) {
      running.set(service, await spawn(service, clocksMs?.[service]))
      await answers(system, service)
    },
    async addWorker(service: ServiceName, clockMs?: number) {
      const ports = { ...system.ports, [service]: (await planPorts())[service] }
      further.push(await spawn(service, clockMs, ports))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...running.values(), ...further].map((child) => child.stop()))
    },
  }
}

/** Surroundings in which a service is reached at another address. */
const reaching = (around: Surroundings, service: ServiceName, address: string): Surroundings => ({
  ...around,
  environment: { ...around.environment, [addressVariable(service)]: address },
})

/** SIGTERM; throws unless the process ends with 0 and in time. */
async function endInTime(service: ServiceName, child: ServiceProcess): Promise<void> {
  const askedAt = performance.now()
  const code = await child.stop('SIGTERM')
  const took = performance.now() - askedAt
  if (code !== 0 || took > rollMs)
    throw new Error(`${service} ended with ${code}, ${Math.round(took)} ms after SIGTERM`)
}

type ServerFaults = Pick<
  FaultRun,
  'deleteNatsStore' | 'flushRedis' | 'restartRedis' | 'crashPostgres'
>

/** What can be done to the servers. */
function serverFaults(
  system: TestSystem,
  servers: OwnServers,
  { tally, note }: Diary,
): ServerFaults {
  const { nats, redis } = system.world
  const lose = async (words: string, work: () => Promise<unknown>) => {
    note(words)
    await work()
    tally.losses++
  }
  return {
    deleteNatsStore: () =>
      lose('NATS: killed, its store deleted, started again', async () => {
        await nats.kill()
        await rm(path.join(nats.dir, 'nats'), { recursive: true, force: true })
        await nats.restart()
      }),
    flushRedis: () => lose('Redis: FLUSHALL', () => flush(system)),
    restartRedis: () =>
      lose('Redis: killed and started again', async () => {
        await redis.kill()
        await redis.restart()
      }),
    crashPostgres: () =>
      lose('PostgreSQL: stopped in immediate mode and started again', () =>
        servers.crashPostgres(),
      ),
  }
}

type CampaignSteps = Pick<FaultRun, 'startCampaign' | 'accepted' | 'finish'>

/** A campaign from its start to the verdict on it. */
function campaignSteps(
  system: TestSystem,
  tenant: Tenant,
  dice: FaultRun['dice'],
  { tally, note }: Diary,
): CampaignSteps {
  let campaigns = 0
  return {
    accepted: async (id) =>
      (await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).length,
    async startCampaign(recipients) {
      const tag = `audience-${++campaigns}`
      await system.importContacts(
        tenant,
        phones(recipients, dice(0, 900_000) + campaigns * 1_000_000),
        tag,
      )
      const { id } = await system.startCampaign(tenant, tag)
      note(`campaign to ${recipients} started`)
      return { id, tag }
    },
    async finish(campaignId, { state = 'completed', redisWasFlushed = false } = {}) {
      const { statistics } = await system.untilCampaign(tenant, campaignId, state, 120_000)
      const unknownAtFirst = statistics!.unknown
      await system.settled(60_000)
      const after = (await system.untilCampaign(tenant, campaignId, state)).statistics!
      note(`${state}: ${JSON.stringify(after)}`)
      // The simulator counts since its start.
      tally.unknownsResolved += Math.max(0, unknownAtFirst - after.unknown)
      const summary = await system.simulator.client.summary()
      tally.posts = summary.posts
      tally.webhooks = summary.webhooks.delivered
      tally.webhooksRetried = summary.webhooks.retries
      tally.duplicates = await deliveredAgain(system.simulatorLog)
      assertClean(await audit({ ...system.audited, settled: true, redisWasFlushed }))
    },
  }
}

async function flush({ world }: TestSystem): Promise<void> {
  const redis = openRedis(world.redis.url)
  try {
    await untilReady(redis, 5_000)
    await redis.flushall()
  } finally {
    redis.disconnect()
  }
}

async function deliveredAgain(simulatorLog: string): Promise<number> {
  const seen = new Set<string>()
  let elements = 0
  for await (const line of readLog(simulatorLog)) {
    if (line.kind !== 'delivery' || line.httpStatus !== 200) continue
    elements += line.elements.length
    for (const element of line.elements) seen.add(elementKey(element))
  }
  return elements - seen.size
}

/** Waits until our own client reaches a new process: after its predecessor's end it tries again in its own time. */
async function answers({ clients }: TestSystem, service: ServiceName): Promise<void> {
  const call = { accountId: '00000000-0000-7000-8000-000000000000' }
  const ask: Partial<Record<ServiceName, () => Promise<unknown>>> = {
    accounts: () => clients.accounts.listConnections({ limit: 1 }, call),
    contacts: () => clients.contacts.checkSendable({ contactIds: [] }, call),
    templates: () => clients.templates.listTemplates({}, call),
    campaigns: () => clients.campaigns.listCampaigns({}, call),
    conversations: () => clients.conversations.listConversations({}, call),
    'webhook-gateway': () => clients.webhookGateway.countParts({}, call),
    events: () => clients.events.listEvents({ topics: [], limit: 1 }, call),
  }
  await until(async () => Boolean(await ask[service]!()), 30_000)
}

/** Throws naming each broken invariant with its first rows. Rate windows are scaled in these runs, so that I8 can't be judged. */
export function assertClean(report: AuditReport): void {
  const broken = report.invariants.filter(
    (invariant) => invariant.violations > 0 && invariant.id !== 'I8',
  )
  if (broken.length === 0) return
  throw new Error(
    broken
      .map(
        (b) =>
          `${b.id} is broken ${b.violations} times: ${b.statement} ${JSON.stringify(b.rows.slice(0, 3))}`,
      )
      .join('\n'),
  )
}
