import { locks } from '@lockstep/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pathGuards } from './guards/guards.ts'
import { guardsOf, measure } from './scenario.ts'
import { missing, scenarios } from './scenarios.ts'
import { type Race, startRace } from './system.ts'

const system = new AsyncDisposableStack()
let race: Race

beforeAll(async () => {
  race = system.use(await startRace())
}, 60_000)
afterAll(() => system.disposeAsync(), 30_000)

/** Without guards a round nearly always shows a conflict; so many without one mean that the scenario can't fail. */
const maxRounds = 20

test('every lock has a scenario, or is named as missing', () => {
  const named = [...scenarios.map((scenario) => scenario.lock), ...Object.keys(missing)]
  expect(named.sort()).toEqual(Object.keys(locks).sort())
})

test.each(scenarios.map((scenario) => [scenario.lock, scenario] as const))(
  '%s: three processes at once never conflict with their guards, and do without them',
  async (_lock, scenario) => {
    expect(await measure(race, scenario, [], 1)).toMatchObject({ conflicts: 0, what: [] })
    expect(
      (await measure(race, scenario, guardsOf(scenario), maxRounds)).conflicts,
    ).toBeGreaterThan(0)
  },
  120_000,
)

test.each(pathGuards.map((guard) => [guard.name, guard] as const))(
  'guard of the main path, %s: nothing goes wrong with it, and something does without it',
  async (_name, { work, taken, beside }) => {
    const others = Object.values(beside)
    expect(await measure(race, work, others, 1)).toMatchObject({ conflicts: 0, what: [] })
    expect((await measure(race, work, [...others, taken], maxRounds)).conflicts).toBeGreaterThan(0)
  },
  120_000,
)
