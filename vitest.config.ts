import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{packages,services,tools}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['./test/global-setup.ts'],
    // Two cores: more files at once would only make every condition take longer.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // On a shared machine a condition may not come true in time; anything else that fails is a failure at once. Vitest names
    // every test that needed another try.
    retry: { count: process.env.CI ? 2 : 0, condition: /^Not true after|timed out in/ },
    // Our own node, never a shim (see docs/decisions).
    execArgv: [],
  },
})
