import path from 'node:path'
import type { ServiceName } from '@lockstep/contracts'
import type { MigrationList } from '@lockstep/database'
import { startTestServers } from '@lockstep/testing'
import type { TestProject } from 'vitest/node'
import { loadMigrations } from '../tools/dev/services.ts'

/** Starts PostgreSQL once for the whole run; each test file clones its own database and starts its own NATS and Redis. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const migrations: Partial<Record<ServiceName, MigrationList>> = await loadMigrations()
  const { [Symbol.asyncDispose]: stop, ...servers } = await startTestServers(path.resolve(import.meta.dirname, '..'), migrations)
  project.provide('servers', servers)
  return async () => {
    await stop()
  }
}
