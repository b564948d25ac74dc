import path from 'node:path'
import type { ServiceName } from '@lockstep/contracts'
import type { MigrationList } from '@lockstep/database'
import { loadMigrations } from '@lockstep/system'
import { startTestServers } from '@lockstep/testing'
import type { TestProject } from 'vitest/node'

/** Starts PostgreSQL once for the whole run; each test file clones its own database and starts its own NATS and Redis. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const migrations: Partial<Record<ServiceName, MigrationList>> = await loadMigrations()
  const own = await startTestServers(path.resolve(import.meta.dirname, '..'), migrations)
  const { dir, adminUrl, template, natsServer, redisServer, env } = own
  project.provide('servers', { dir, adminUrl, template, natsServer, redisServer, env })
  return async () => {
    await own[Symbol.asyncDispose]()
  }
}
