import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { type ServiceName, services } from '@lockstep/contracts'
import {
  databaseUrl,
  type MigrationList,
  migrate,
  ownerRole,
  provision,
  withClient,
} from '@lockstep/database'
import { locateServers, startPostgres, startServers } from '@lockstep/servers'

/** What a test file needs to make its own world; provided by the global setup. */
export interface TestServers {
  dir: string
  adminUrl: string
  /** Database that every world is cloned from: all services' migrations have run in it. */
  template: string
  natsServer: string
  redisServer: string
  env: Record<string, string>
}

declare module 'vitest' {
  export interface ProvidedContext {
    servers: TestServers
  }
}

/** Servers of a caller's own, which it may crash. */
export interface OwnServers extends TestServers, AsyncDisposable {
  /** Crashes PostgreSQL (immediate mode) and starts it again on the same port. */
  crashPostgres(): Promise<void>
}

/** Password of every role in test databases, which listen on loopback only. */
export const testPassword = 'test'
const template = 'template_lockstep'
/** The same in all runs, so that a server which one has set up suits the others. */
export const testInstallation = 'of the tests'

/**
 * Starts the PostgreSQL of a test run, in a folder of its own, and makes the template. Only a
 * `durable` one may be crashed.
 */
export async function startTestServers(
  root: string,
  migrations: Partial<Record<ServiceName, MigrationList>>,
  { durable = false } = {},
): Promise<OwnServers> {
  const runs = path.join(root, '.lockstep', 'test')
  await removeLeftovers(runs)
  const dir = path.join(runs, `run-${process.pid}`)
  const located = await locateServers({ root })
  const servers = await startServers({ dir, root, which: ['postgres'], located, durable })
  let { postgres } = servers
  const adminUrl = postgres.url
  await makeTemplate(adminUrl, migrations)
  return {
    dir,
    adminUrl,
    template,
    natsServer: located.natsServer,
    redisServer: located.redisServer,
    env: located.env,
    async crashPostgres() {
      if (!durable)
        throw new Error(
          'This PostgreSQL would lose commits in a crash; start it with durable: true',
        )
      const { port } = postgres
      await postgres.stop('SIGQUIT')
      postgres = await startPostgres({ dir, ...located, port, durable })
      if (postgres.port !== port)
        throw new Error(
          `PostgreSQL came back on port ${postgres.port}: another process took ${port}`,
        )
    },
    async [Symbol.asyncDispose]() {
      await postgres.stop()
      await servers.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Makes the database of all services' tables. */
async function makeTemplate(
  adminUrl: string,
  migrations: Partial<Record<ServiceName, MigrationList>>,
): Promise<void> {
  await provision({
    adminUrl,
    database: template,
    installation: testInstallation,
    ownerPassword: testPassword,
    passwords: Object.fromEntries(services.map((service) => [service, testPassword])),
  })
  const ownerUrl = new URL(databaseUrl(adminUrl, template))
  ownerUrl.username = ownerRole
  ownerUrl.password = testPassword
  for (const [service, list] of Object.entries(migrations))
    await migrate(ownerUrl.toString(), service as ServiceName, list)
  // Autovacuum would do it at some moment of a long run; so every test has the plans of a database
  // that has been in use.
  await withClient(databaseUrl(adminUrl, template), (client) => client.query('analyze'))
}

/** Folders of runs that were killed. */
async function removeLeftovers(runs: string): Promise<void> {
  await mkdir(runs, { recursive: true })
  for (const name of await readdir(runs)) {
    const pid = Number(name.replace('run-', ''))
    if (!existsSync(`/proc/${pid}`))
      await rm(path.join(runs, name), { recursive: true, force: true })
  }
}
