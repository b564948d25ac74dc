import path from 'node:path'
import { loadMigrations } from '@lockstep/system'
import { type OwnServers, startTestServers } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFaultRun } from './run.ts'
import { faultScenarios } from './scenarios/index.ts'

/** One fixed seed, so that a failure repeats; `npm run faults -- --seed 1..10` rolls more dice. */
const seed = 1

/** PostgreSQL is crashed here: it must not be the one of the other tests. */
let servers: OwnServers
beforeAll(async () => {
  servers = await startTestServers(
    path.resolve(import.meta.dirname, '../..'),
    await loadMigrations(),
    { durable: true },
  )
}, 60_000)
afterAll(() => servers[Symbol.asyncDispose]())

test.each(faultScenarios)(
  '$name: $guarantee',
  async (scenario) => {
    await using run = await startFaultRun(scenario, { seed, servers })
    try {
      await scenario.run(run, 'short')
    } catch (error) {
      expect.fail(`${(error as Error).message}\nseed ${seed}\n${run.history.join('\n')}`)
    }
  },
  240_000, // two scenarios run in real time
)
