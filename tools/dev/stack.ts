import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { type ServiceName, services } from '@lockstep/contracts'
import { databaseUrl, migrate, ownerRole, provision, schemaOf } from '@lockstep/database'
import { type RunningServer, type ServerName, type Servers, startServers } from '@lockstep/servers'
import {
  documentedPorts,
  loadMigrations,
  onPlannedPorts,
  type PortPlan,
  type Surroundings,
  serviceLog,
  spawnService,
  startInProcess,
  unlessAborted,
} from '@lockstep/system'
import type { Options } from './options.ts'
import { removeReadyFile } from './ready.ts'
import type { Screen } from './screen.ts'
import { type SimulatorProcess, spawnSimulator } from './simulator-process.ts'
import {
  dataDir,
  filesIn,
  forget,
  type Keys,
  lockFolder,
  readKeys,
  readPorts,
  writePorts,
} from './state.ts'
import { type Supervision, supervise } from './supervise.ts'

const root = path.resolve(import.meta.dirname, '../..')
/** A second system beside the first takes any ports. */
const isBeside = process.env.LOCKSTEP_DIR !== undefined

export interface Stack extends AsyncDisposable {
  ports: PortPlan
  simulator: SimulatorProcess
  urls: { gateway: string; api: string; postgresAdmin: string; nats: string; redis: string }
}

/** What is being started, and who watches it afterwards. */
interface Starting {
  stack: AsyncDisposableStack
  dir: string
  screen: Screen
  signal: AbortSignal
  /** Keeps a process running until what it answers is disposed. */
  keep(process: Pick<Supervision, 'name' | 'logFile' | 'first' | 'restart'>): AsyncDisposable
}

const database = 'lockstep'

/**
 * Starts servers, the simulator and all services; disposing stops every process that was started. What ends by itself is started
 * again; what does not stay up aborts `ending`. When that aborts during the start, the start stops.
 */
export async function startStack(
  options: Options,
  screen: Screen,
  ending: AbortController,
): Promise<Stack> {
  const { signal } = ending
  await using stack = new AsyncDisposableStack()
  const lock = lockFolder(dataDir)
  stack.defer(() => lock.release())
  if (options.fresh) await forget(dataDir)
  removeReadyFile() // of a start that was killed
  const { dev: dir } = filesIn(dataDir)
  mkdirSync(dir, { recursive: true })
  const keys = readKeys(dataDir)
  const giveUp = (error: Error) => ending.abort(error)
  const say = (line: string) => screen.line(`  ${screen.bad('!')} ${line}`)
  const keep: Starting['keep'] = (process) => supervise({ ...process, giveUp, say })
  const starting: Starting = { stack, dir, screen, signal, keep }

  const servers = await startAllServers(starting)
  await screen.step('Database', (say) =>
    unlessAborted(signal, async () => say(await prepareDatabase(servers.postgres.url, keys))),
  )
  const remembered = readPorts(dataDir)
  const simulator = await startSimulator(
    starting,
    remembered?.simulator ?? (isBeside ? undefined : 8090),
  )
  const around = surroundings(servers, simulator, keys)
  const ports = await screen.step(`${services.length} services`, async (say) => {
    const wanted = remembered?.services ?? (isBeside ? undefined : await documentedPorts())
    const plan = await (options.processes
      ? spawnAll(starting, wanted, around)
      : startHere(starting, wanted, around))
    say(options.processes ? `${services.length} processes` : 'in one process')
    return plan
  })
  writePorts(dataDir, { services: ports, simulator: simulator.port })
  const opened = stack.move()
  return {
    ports,
    simulator,
    urls: urlsOf(servers, ports),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

async function startAllServers({ stack, dir, screen, signal, keep }: Starting): Promise<Servers> {
  const servers = await screen.step('PostgreSQL, NATS and Redis', () =>
    startServers({ dir, root, signal }),
  )
  stack.defer(() => servers.stop())
  const names: [ServerName, string][] = [
    ['postgres', 'PostgreSQL'],
    ['nats', 'NATS'],
    ['redis', 'Redis'],
  ]
  for (const [server, name] of names) {
    const first: RunningServer = servers[server]
    const isOwn = first.pid > 0
    if (isOwn)
      stack.use(
        keep({
          name,
          logFile: path.join(dir, `${server}.log`),
          first,
          restart: () => servers.restart(server),
        }),
      )
  }
  return servers
}

async function startSimulator(
  { stack, dir, screen, signal, keep }: Starting,
  wanted: number | undefined,
): Promise<SimulatorProcess> {
  const simulator = await screen.step('Meta simulator', () => spawnSimulator(dir, wanted, signal))
  stack.use(
    keep({
      name: 'The Meta simulator',
      logFile: simulator.errorFile,
      first: simulator,
      restart: simulator.restart,
    }),
  )
  stack.use(simulator)
  return simulator
}

/** Starts all services in this process. */
function startHere(
  { stack, signal }: Starting,
  wanted: PortPlan | undefined,
  around: Surroundings,
): Promise<PortPlan> {
  return onPlannedPorts(wanted, async (plan) => {
    stack.use(await startInProcess(plan, around, services, undefined, signal))
    return plan
  })
}

/** Starts each service as a process of its own. */
function spawnAll(
  { stack, dir, signal, keep }: Starting,
  wanted: PortPlan | undefined,
  around: Surroundings,
): Promise<PortPlan> {
  return onPlannedPorts(wanted, async (plan) => {
    const started = await Promise.allSettled(
      services.map((service) => spawnService(service, plan, around, dir, undefined, signal)),
    )
    const children = started.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
    const failed = started.find((each) => each.status === 'rejected')
    if (failed) {
      await Promise.all(children.map((child) => child.stop()))
      throw failed.reason
    }
    const kept = children.map((first) => {
      const { service } = first
      return keep({
        name: service,
        logFile: serviceLog(service, dir),
        first,
        restart: () => spawnService(service, plan, around, dir),
      })
    })
    stack.defer(
      async () => void (await Promise.all(kept.map((each) => each[Symbol.asyncDispose]()))),
    ) // all at once
    return plan
  })
}

function surroundings(servers: Servers, simulator: SimulatorProcess, keys: Keys): Surroundings {
  return {
    postgresUrl: (service) => roleUrl(servers.postgres.url, schemaOf(service), keys.password),
    natsUrl: servers.nats.url,
    redisUrl: servers.redis.url,
    graphUrl: simulator.url,
    checksWebhooks: true,
    encryptionKey: keys.encryptionKey,
    platformKey: keys.platformKey,
    logLevel: process.env.LOCKSTEP_LOG_LEVEL ?? 'warn',
    otlpUrl: process.env.LOCKSTEP_OTLP_URL,
  }
}

function urlsOf(servers: Servers, ports: PortPlan): Stack['urls'] {
  return {
    gateway: `http://127.0.0.1:${ports['webhook-gateway'].http}`,
    api: `http://127.0.0.1:${ports.api.http}`,
    postgresAdmin: databaseUrl(servers.postgres.url, database),
    nats: servers.nats.url,
    redis: servers.redis.url,
  }
}

async function prepareDatabase(adminUrl: string, keys: Keys): Promise<string> {
  const passwords = Object.fromEntries(services.map((service) => [service, keys.password]))
  await provision({
    adminUrl,
    database,
    installation: keys.installation,
    ownerPassword: keys.password,
    passwords,
  })
  const ownerUrl = roleUrl(adminUrl, ownerRole, keys.password)
  let ran = 0
  for (const [service, list] of Object.entries(await loadMigrations()))
    ran += (await migrate(ownerUrl, service as ServiceName, list)).length
  return ran === 0 ? 'up to date' : `${ran} migrations`
}

function roleUrl(adminUrl: string, role: string, password: string): string {
  const url = new URL(databaseUrl(adminUrl, database))
  url.username = role
  url.password = password
  return url.toString()
}
