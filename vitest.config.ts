import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'

export default defineConfig({
  test: {
    include: ['{packages,services,tools}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['./test/global-setup.ts'],
    // Two cores: more files at once would only make every condition take longer.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // For what hangs. Whatever takes long is found by `until`, which counts its waits and not the clock, and says what did not come.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 15_000 } },
    pool: 'forks',
    // Nothing is tried again: a stall looks like a test that timed out.
    retry: 0,
    // Our own node, never a shim (see docs/decisions).
    execArgv: [],
  },
})
