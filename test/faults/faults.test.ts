import { expect, test } from 'vitest'
import { startFaultRun } from './run.ts'
import { faultScenarios } from './scenarios.ts'

/** One fixed seed, so that a failure repeats; `npm run faults -- --seed 1..10` rolls more dice. */
const seed = 1

test.each(faultScenarios)(
  '$guarantee',
  async (scenario) => {
    await using run = await startFaultRun({ seed, processes: scenario.processes, simulator: scenario.simulator })
    try {
      await scenario.run(run, 'short')
    } catch (error) {
      expect.fail(`${(error as Error).message}\nseed ${seed}\n${run.history.join('\n')}`)
    }
  },
  120_000,
)
