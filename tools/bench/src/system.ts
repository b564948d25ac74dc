import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { type ServiceName, services } from '@lockstep/contracts'
import { databaseUrl, migrate, ownerRole, provision } from '@lockstep/database'
import { locateServers, startServers } from '@lockstep/servers'
import { loadMigrations, spawnService } from '@lockstep/system'
import { type TestServers, testInstallation, testPassword } from '@lockstep/testing'
import { startSystem, type TestSystem } from '@lockstep/testing/system'
import type { BenchContext } from './bench.ts'
import { type CpuMeter, type Metered, meterProcesses } from './cpu.ts'
import { openWatcher, type Watcher } from './watcher.ts'

const root = path.resolve(import.meta.dirname, '../../..')

/** A whole system as it runs in production: one process a service, and a server each. */
export interface BenchSystem extends TestSystem {
  /** Services and servers, without the load generator, the sink and the watcher. */
  meter: CpuMeter
  /** PostgreSQL alone, without the watcher. */
  postgres: Metered
  watcher: Watcher
  /** Of the services. */
  pids: Partial<Record<ServiceName, number>>
}

/** PostgreSQL as in production, fsync and all, with every service's tables; that of the tests is faster and unsafe. */
async function durableServers(
  ctx: BenchContext,
): Promise<TestServers & AsyncDisposable & { postgresPid: number }> {
  await using up = new AsyncDisposableStack()
  const located = await locateServers({ root, log: ctx.say })
  const { postgres, stop } = await startServers({
    dir: ctx.dir,
    root,
    which: ['postgres'],
    located,
    env: {},
    durable: true,
  })
  up.defer(async () => {
    ctx.watch('postmaster', postgres.pid)
    await stop()
  })
  const template = 'template_bench'
  const passwords = Object.fromEntries(services.map((service) => [service, testPassword]))
  await provision({
    adminUrl: postgres.url,
    database: template,
    installation: testInstallation,
    ownerPassword: testPassword,
    passwords,
  })
  const owner = new URL(databaseUrl(postgres.url, template))
  owner.username = ownerRole
  owner.password = testPassword
  for (const [service, list] of Object.entries(await loadMigrations()))
    await migrate(owner.toString(), service as ServiceName, list)
  const stack = up.move()
  const { natsServer, redisServer, env } = located
  const dispose = { [Symbol.asyncDispose]: () => stack.disposeAsync() }
  return {
    dir: ctx.dir,
    adminUrl: postgres.url,
    template,
    natsServer,
    redisServer,
    env,
    postgresPid: postgres.pid,
    ...dispose,
  }
}

/**
 * These services, each in a process of its own, on servers of their own; `seed` writes rows before they start. `accounts` and
 * `templates` are needed to add a tenant.
 */
export async function openSystem(
  ctx: BenchContext,
  names: readonly ServiceName[],
  seed: (stack: TestSystem) => Promise<void> = async () => undefined,
): Promise<BenchSystem> {
  await using up = new AsyncDisposableStack()
  ctx.say(`starting PostgreSQL, NATS, Redis and ${names.join(', ')}`)
  const servers = up.use(await durableServers(ctx))
  const stack = up.use(
    await startSystem({
      services: [],
      servers,
      simulator: { webhooks: { paused: true, batchMs: 10 } },
    }),
  )
  await seed(stack)
  const logs = path.join(ctx.dir, 'logs')
  await mkdir(logs, { recursive: true })
  const starting = names.map((name) => spawnService(name, stack.ports, stack.surroundings, logs))
  const processes = await Promise.all(starting)
  for (const each of processes) {
    up.use(each)
    up.defer(() => ctx.watch(each.service, each.pid))
  }
  const watcher = up.use(await openWatcher(stack.world.adminUrl))
  up.defer(() => ctx.watch('nats', stack.world.nats.pid))
  const postgres = { name: 'postgres', pid: servers.postgresPid, except: [watcher.pid] }
  const services = processes.map(({ service, pid }) => ({ name: service as string, pid }))
  const { nats, redis } = stack.world
  const meter = meterProcesses(() => [
    ...services,
    postgres,
    { name: 'nats', pid: nats.pid },
    { name: 'redis', pid: redis.pid },
  ])
  const opened = up.move()
  const dispose = { [Symbol.asyncDispose]: () => opened.disposeAsync() }
  const pids = Object.fromEntries(processes.map(({ service, pid }) => [service, pid]))
  return { ...stack, meter, postgres, watcher, pids, ...dispose }
}
