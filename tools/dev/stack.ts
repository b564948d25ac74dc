import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type ServiceName, services } from '@lockstep/contracts'
import { databaseUrl, migrate, ownerRole, provision, schemaOf } from '@lockstep/database'
import { startServers } from '../bootstrap/servers.js'
import type { Options } from './options.ts'
import type { Screen } from './screen.ts'
import { documentedPorts, loadMigrations, type PortPlan, planPorts, type Surroundings, spawnService, startInProcess } from './services.ts'
import { type SimulatorProcess, spawnSimulator } from './simulator-process.ts'

const root = path.resolve(import.meta.dirname, '../..')
/** All that a start keeps: servers' data, keys, ports, logs. A second system beside the first has another folder. */
export const dataDir = process.env.LOCKSTEP_DIR ?? path.join(root, '.lockstep')
/** Such a second system takes any ports. */
const isBeside = process.env.LOCKSTEP_DIR !== undefined

/** What a development machine keeps between starts, readable by its owner only. */
interface Kept {
  encryptionKey: string
  platformKey: string
  /** Password of the owner role and of every service's. */
  password: string
  ports?: PortPlan
  simulatorPort?: number
}

export interface Stack extends AsyncDisposable {
  ports: PortPlan
  simulator: SimulatorProcess
  urls: { gateway: string; api: string; postgresAdmin: string; nats: string; redis: string }
}

const database = 'lockstep'

/** Starts servers, the simulator and all services; disposing stops every process that was started. */
export async function startStack(options: Options, screen: Screen): Promise<Stack> {
  await using up = new AsyncDisposableStack()
  if (options.fresh)
    for (const name of ['dev', 'kept.json', 'ready.json']) rmSync(path.join(dataDir, name), { recursive: true, force: true })
  const dir = path.join(dataDir, 'dev')
  mkdirSync(dir, { recursive: true })
  const kept = readKept()
  const servers = await screen.step('PostgreSQL, NATS and Redis', () => startServers({ dir, root }))
  up.defer(() => servers.stop())
  await screen.step('Database', async (say) => say(await prepareDatabase(servers.postgres.url, kept.password)))
  const simulator = up.use(
    await screen.step('Meta simulator', () => spawnSimulator(dir, kept.simulatorPort ?? (isBeside ? undefined : 8090))),
  )
  const ports = await planPorts(kept.ports ?? (isBeside ? undefined : documentedPorts))
  writeKept({ ...kept, ports, simulatorPort: simulator.port })
  const around: Surroundings = {
    postgresUrl: (service) => roleUrl(servers.postgres.url, schemaOf(service), kept.password),
    natsUrl: servers.nats.url,
    redisUrl: servers.redis.url,
    graphUrl: simulator.url,
    encryptionKey: kept.encryptionKey,
    platformKey: kept.platformKey,
    logLevel: process.env.LOCKSTEP_LOG_LEVEL ?? 'warn',
    otlpUrl: process.env.LOCKSTEP_OTLP_URL,
  }
  const how = options.processes ? `${services.length} processes` : 'in one process'
  await screen.step(`${services.length} services`, async (say) => {
    if (options.processes) await spawnAll(up, ports, around, dir)
    else up.use(await startInProcess(ports, around))
    say(how)
  })
  const stack = up.move()
  return {
    ports,
    simulator,
    urls: {
      gateway: `http://127.0.0.1:${ports['webhook-gateway'].http}`,
      api: `http://127.0.0.1:${ports.api.http}`,
      postgresAdmin: databaseUrl(servers.postgres.url, database),
      nats: servers.nats.url,
      redis: servers.redis.url,
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function spawnAll(up: AsyncDisposableStack, ports: PortPlan, around: Surroundings, dir: string): Promise<void> {
  const children = await Promise.all(services.map((service) => spawnService(service, ports, around, dir)))
  up.defer(async () => void (await Promise.all(children.map((child) => child.stop()))))
}

async function prepareDatabase(adminUrl: string, password: string): Promise<string> {
  const passwords = Object.fromEntries(services.map((service) => [service, password]))
  await provision({ adminUrl, database, ownerPassword: password, passwords })
  const ownerUrl = roleUrl(adminUrl, ownerRole, password)
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

const keptFile = path.join(dataDir, 'kept.json')

function readKept(): Kept {
  if (existsSync(keptFile)) return JSON.parse(readFileSync(keptFile, 'utf8'))
  const random = () => randomBytes(32).toString('hex')
  return { encryptionKey: random(), platformKey: random(), password: random() }
}

function writeKept(kept: Kept): void {
  writeFileSync(keptFile, JSON.stringify(kept, null, 2), { mode: 0o600 })
}
