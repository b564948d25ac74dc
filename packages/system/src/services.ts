import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { lanes, type ServiceName, services } from '@lockstep/contracts'
import { type MigrationList, schemaOf } from '@lockstep/database'
import { freePort, tail, tied } from '@lockstep/servers'
import {
  addressVariable,
  type BaseOverrides,
  type DeclaredService,
  ownVariables,
  readConfig,
  startService,
} from '@lockstep/service'
import { unlessAborted } from './stopping.ts'

const root = path.resolve(import.meta.dirname, '../../..')
const preload = path.join(root, 'packages/telemetry/src/preload.ts')
const source = (service: ServiceName, name: string) =>
  path.join(root, 'services', service, 'src', name)

/** A process that may end by itself. */
export interface Running {
  exited: Promise<unknown>
  stop(): Promise<unknown>
}

/** Ports of one service: gRPC, health and metrics, and the public HTTP of those that have one. */
export interface Ports {
  grpc: number
  health: number
  http: number
}

export type PortPlan = Record<ServiceName, Ports>

/** What all services need to know of the place where they run. */
export interface Surroundings {
  /** A service's own PostgreSQL URL. */
  postgresUrl: (service: ServiceName) => string
  natsUrl: string
  redisUrl: string
  graphUrl: string
  /** Numbers are connected only once Meta's handshake with the gateway has succeeded. */
  checksWebhooks?: boolean | undefined
  encryptionKey: string
  platformKey: string
  logLevel: string
  /** A service's files for mutual TLS; without them services speak plain text. */
  tls?: (service: ServiceName) => { ca: string; cert: string; key: string }
  /** OpenTelemetry collector that services in processes of their own send spans to. */
  otlpUrl?: string | undefined
  /** Further variables, for every service. */
  environment?: Readonly<Record<string, string>> | undefined
}

/** The services whose rows have a feed. */
const producers = new Set(Object.values(lanes).map(({ producer }) => producer))

/**
 * As superuser: how many entries of all feeds are still open (the column `open`), but for those
 * that wait for services that don't run.
 */
export function openEntries(absent: readonly ServiceName[] = []): string {
  const waiting = Object.entries(lanes).filter(([, { worker }]) => absent.includes(worker))
  const names = waiting.map(([name]) => `'${name}'`).join(', ')
  const counts = [...producers].map(
    (service) =>
      `(select count(*) from ${schemaOf(service)}.feed_open where lane <> all(array[${names}]::text[]))`,
  )
  return `select (${counts.join(' + ')})::int as open`
}

const loaded = new Map<ServiceName, Promise<DeclaredService>>()

/** What a service's folder declares. */
export function loadService(name: ServiceName): Promise<DeclaredService> {
  const known =
    loaded.get(name) ??
    import(source(name, 'service.ts')).then((module) => declaredIn(name, module))
  loaded.set(name, known)
  return known
}

function declaredIn(name: ServiceName, module: Record<string, { name?: string }>): DeclaredService {
  const found = Object.values(module).find((value) => value?.name === name)
  if (!found) throw new Error(`services/${name}/src/service.ts exports no service of that name`)
  return found as DeclaredService
}

/** Every service's migrations. */
export async function loadMigrations(): Promise<Record<ServiceName, MigrationList>> {
  const lists = services.map(async (name) => [name, (await loadService(name)).migrations])
  return Object.fromEntries(await Promise.all(lists))
}

/** The ports that the documentation names, in the order of the services. */
export async function documentedPorts(): Promise<PortPlan> {
  const plan = services.map(async (name, i) => {
    const { config } = await loadService(name)
    const http = ownVariables(config).find(
      (variable) => variable.name === 'LOCKSTEP_HTTP_PORT',
    )?.byDefault
    return [name, { grpc: 7001 + i, health: 7101 + i, http: Number(http ?? 0) }]
  })
  return Object.fromEntries(await Promise.all(plan))
}

/** Each process draws from a block of its own, below the ports of servers. */
function* ownPorts(): Generator<number> {
  const block = 12_000 + (process.pid % 40) * 200
  const first = Math.floor(Math.random() * 200)
  for (let i = 0; i < 200; i++) yield block + ((first + i) % 200)
}

/** A free port for each endpoint: the wanted ones where they are free, any others otherwise. */
export async function planPorts(wanted?: PortPlan): Promise<PortPlan> {
  const own = ownPorts()
  /** 0 is no port that anybody wants. */
  const choose = async (port = 0): Promise<number> => {
    for (let candidate = port || own.next().value; candidate; candidate = own.next().value)
      if ((await freePort(candidate)) === candidate) return candidate
    throw new Error('All ports of this process are taken')
  }
  const plan: Partial<PortPlan> = {}
  for (const service of services) {
    const last = wanted?.[service]
    const grpc = await choose(last?.grpc)
    const health = await choose(last?.health)
    plan[service] = { grpc, health, http: await choose(last?.http) }
  }
  return plan as PortPlan
}

/** When another process takes a port first all are planned anew, three times at most. */
export async function onPlannedPorts<T>(
  wanted: PortPlan | undefined,
  start: (plan: PortPlan) => Promise<T>,
): Promise<T> {
  let plan = await planPorts(wanted)
  for (let left = 3; ; left--) {
    try {
      return await start(plan)
    } catch (error) {
      if (left === 0 || !/EADDRINUSE/.test(String(error))) throw error
      plan = await planPorts()
    }
  }
}

/** Loopback only, one replica, and plain text between services without certificates. */
export function environmentOf(
  service: ServiceName,
  plan: PortPlan,
  around: Surroundings,
): Record<string, string> {
  const addresses = services.map((peer) => [addressVariable(peer), `127.0.0.1:${plan[peer].grpc}`])
  const tls = around.tls?.(service)
  const transport: Record<string, string> = tls
    ? {
        LOCKSTEP_GRPC_TLS_CA: tls.ca,
        LOCKSTEP_GRPC_TLS_CERT: tls.cert,
        LOCKSTEP_GRPC_TLS_KEY: tls.key,
      }
    : { LOCKSTEP_GRPC_PLAINTEXT: 'true' }
  return {
    LOCKSTEP_POSTGRES_URL: around.postgresUrl(service),
    LOCKSTEP_NATS_URL: around.natsUrl,
    LOCKSTEP_REDIS_URL: around.redisUrl,
    LOCKSTEP_HOST: '127.0.0.1',
    LOCKSTEP_GRPC_PORT: String(plan[service].grpc),
    LOCKSTEP_HEALTH_PORT: String(plan[service].health),
    LOCKSTEP_HTTP_PORT: String(plan[service].http),
    LOCKSTEP_PUBLIC_URL: `http://127.0.0.1:${plan.api.http}`,
    ...transport,
    LOCKSTEP_STREAM_REPLICAS: '1',
    LOCKSTEP_LOG_LEVEL: around.logLevel,
    LOCKSTEP_ENCRYPTION_KEY: around.encryptionKey,
    LOCKSTEP_PLATFORM_KEY: around.platformKey,
    LOCKSTEP_GRAPH_URL: around.graphUrl,
    LOCKSTEP_WEBHOOKS_ALLOW_LOCAL: 'true',
    ...(around.checksWebhooks && {
      LOCKSTEP_WEBHOOK_URL: `http://127.0.0.1:${plan['webhook-gateway'].http}`,
    }),
    ...Object.fromEntries(addresses),
    ...around.environment,
  }
}

/** An aborted `signal` stops those that were started. */
export async function startInProcess(
  plan: PortPlan,
  around: Surroundings,
  names: readonly ServiceName[] = services,
  overrides?: BaseOverrides,
  signal?: AbortSignal,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  for (const name of names) {
    signal?.throwIfAborted()
    const service = await loadService(name)
    stack.use(
      await startService(
        service,
        readConfig(service, environmentOf(name, plan, around)),
        overrides,
      ),
    )
  }
  return stack.move()
}

/** A service in a process of its own. */
export interface ServiceProcess extends Running, AsyncDisposable {
  service: ServiceName
  pid: number
  /** Answers the process's exit code, null when a signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Where a service in a process of its own says what it does. */
export const serviceLog = (service: ServiceName, logDir: string): string =>
  path.join(logDir, `${service}.log`)

/**
 * Starts `main` as a process of its own and waits until its health endpoint answers. It ends with
 * the process that started it, and when `signal` aborts.
 */
export async function spawnService(
  service: ServiceName,
  plan: PortPlan,
  around: Surroundings,
  logDir: string,
  main: readonly string[] = [source(service, 'main.ts')],
  signal: AbortSignal = new AbortController().signal,
): Promise<ServiceProcess> {
  const { otlpUrl } = around
  const traced = otlpUrl
    ? {
        args: ['--import', preload],
        env: { LOCKSTEP_OTLP_URL: otlpUrl, OTEL_SERVICE_NAME: service },
      }
    : { args: [], env: {} }
  const [command = process.execPath, ...rest] = tied('SIGTERM', [
    process.execPath,
    ...traced.args,
    ...main,
  ])
  const logFile = serviceLog(service, logDir)
  const log = openSync(logFile, 'a')
  const logStart = fstatSync(log).size
  const child = spawn(command, rest, {
    env: { PATH: process.env.PATH ?? '', ...environmentOf(service, plan, around), ...traced.env },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  const exited = once(child, 'exit')
  const stop = async (by: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(by)
    const [code] = await exited
    return code
  }
  const atItsStart = async () => {
    await exited
    throw new Error(
      `${service} ended at its start. The end of ${logFile}:\n${tail(logFile, logStart)}`,
    )
  }
  try {
    await unlessAborted(signal, () =>
      Promise.race([untilHealthy(plan[service].health, child), atItsStart()]),
    )
  } catch (error) {
    await stop()
    throw error
  }
  return {
    service,
    pid: child.pid!,
    exited,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}

/** Never resolves once the process has ended: another may have the port. */
async function untilHealthy(port: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 60_000
  while (child.exitCode === null && child.signalCode === null) {
    const health = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      (answer) => answer.json() as Promise<{ pid?: number }>,
      () => undefined,
    )
    if (health?.pid === child.pid) return
    if (Date.now() > deadline) throw new Error(`Nothing answers on port ${port} after a minute`)
    await delay(50)
  }
  await new Promise(() => {})
}
