import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { loadMigrations } from '@lockstep/system'
import { startTestServers } from '@lockstep/testing'
import { createScreen } from '../../tools/dev/screen.ts'
import { pathGuards } from './guards/guards.ts'
import type { PathGuard } from './guards/path-guard.ts'
import { guardsOf, type Layer, layers, type Measured, measure, type Scenario } from './scenario.ts'
import { missing, scenarios } from './scenarios.ts'
import { type Race, startRace } from './system.ts'

const root = path.resolve(import.meta.dirname, '../..')
const tableFile = path.join(root, 'docs', 'race-table.md')
/** Without guards a round nearly always shows a conflict. */
const maxRoundsUnguarded = 20

const help = `npm run race -- [options]

  --rounds N     how often each operation is raced before it counts as free of conflicts (default 3)
  --lock NAME    only this lock; docs/race-table.md is left as it is. May be repeated
  --guard NAME   only this guard of the main path; docs/race-table.md is left as it is. May be repeated`

/** One guard of an operation: what happens without it, and what happens with nothing but it. */
interface GuardResult {
  layer: Layer
  is: string
  off: Measured
  alone: Measured
}

interface Result {
  scenario: Scenario
  guarded: Measured
  unguarded: Measured
  guards: GuardResult[]
}

/** A guard of the main path, with those that would catch the same taken away beside it. */
interface PathResult {
  guard: PathGuard
  guarded: Measured
  unguarded: Measured
}

type Say = (line: string) => void

async function race(system: Race, scenario: Scenario, rounds: number, say: Say): Promise<Result> {
  const own = layers.filter((layer) => scenario.guards[layer])
  const run = async (words: string, off: Layer[], maxRounds = rounds) =>
    said(say, words, await measure(system, scenario, guardsOf(scenario, off), maxRounds))
  const guarded = await run('all guards', [])
  const unguarded = await run('no guard', own, maxRoundsUnguarded)
  const guards: GuardResult[] = []
  for (const layer of own) {
    const off = await run(`without ${layer}`, [layer])
    const alone = await run(
      `only ${layer}`,
      own.filter((other) => other !== layer),
    )
    guards.push({ layer, is: scenario.guards[layer]!.is, off, alone })
  }
  return { scenario, guarded, unguarded, guards }
}

async function racePath(
  system: Race,
  guard: PathGuard,
  rounds: number,
  say: Say,
): Promise<PathResult> {
  const others = Object.values(guard.beside)
  const guarded = said(say, 'with it', await measure(system, guard.work, others, rounds))
  const unguarded = said(
    say,
    'without it',
    await measure(system, guard.work, [...others, guard.taken], maxRoundsUnguarded),
  )
  return { guard, guarded, unguarded }
}

function said(say: Say, words: string, measured: Measured): Measured {
  say(
    `  ${words.padEnd(24)} ${inWords(measured)}${measured.what[0] ? `, e.g. ${measured.what[0]}` : ''}`,
  )
  return measured
}

const inWords = ({ conflicts, rounds }: Measured) =>
  `${conflicts} in ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`

/** What is wrong with a measurement as a whole, if anything. */
function faultOf(
  name: string,
  { guarded, unguarded }: Pick<Result, 'guarded' | 'unguarded'>,
): string[] {
  const faults: string[] = []
  if (guarded.conflicts > 0)
    faults.push(`${name}: ${guarded.conflicts} conflicts with guards: ${guarded.what.join('; ')}`)
  if (unguarded.conflicts === 0)
    faults.push(
      `${name}: no conflict without guards in ${unguarded.rounds} rounds: this race can't fail`,
    )
  return faults
}

/** Guards that keep the operation free of conflicts by themselves. */
const sufficient = ({ guards }: Result, but?: Layer) =>
  guards
    .filter(({ layer, alone }) => layer !== but && alone.conflicts === 0)
    .map(({ layer }) => layer)

function table(results: Result[], paths: PathResult[], rounds: number): string {
  const overview = results.map((result) => {
    const { scenario, guarded, unguarded } = result
    return `| \`${scenario.lock}\` | ${scenario.operation} | ${guarded.conflicts} | ${inWords(unguarded)} | ${sufficient(result).join(', ')} |`
  })
  const absent = Object.entries(missing).map(
    ([lock, operation]) => `| \`${lock}\` | ${operation} | missing | missing | |`,
  )
  const details = results.flatMap((result) => [
    `\n### \`${result.scenario.lock}\`: ${result.scenario.operation}\n`,
    `Without guards: ${result.unguarded.what[0]}.\n`,
    '| guard | what it is | conflicts without it | caught by | conflicts with it alone |',
    '| --- | --- | --- | --- | --- |',
    ...result.guards.map(({ layer, is, off, alone }) => {
      const caught =
        off.conflicts === 0
          ? sufficient(result, layer).join(', ') || 'the others together'
          : 'nobody'
      return `| ${layer} | ${is} | ${inWords(off)} | ${caught} | ${inWords(alone)} |`
    }),
  ])
  return `${[
    '# Race table\n',
    'Written by `npm run race`. Three processes of the real services do the same work at the same time, with real PostgreSQL, NATS and',
    `Redis and Meta simulated, up to ${rounds} rounds (${maxRoundsUnguarded} without any guard) or until something is wrong afterwards. Guards are taken`,
    'away from outside, by what a test may put around the context of a service (`test/race/without.ts`) and by dropping constraints in',
    "the scenario's own database; the services have no switch for it. A guard of rows gives way to what one would write without it:",
    'look first, then insert.\n',
    'The **lock** is the Redis lock of the table, **other locks** are those that the operation holds beside it, the **lane** is the one',
    'consumer a key with `max_ack_pending = 1`, the **fence** is the token in PostgreSQL that a newer holder of the lock raises, **rows**',
    'are unique keys, conditional statements and row locks. Lock, lane and fence are all there because each fails in its own way: locks',
    'expire, lanes redeliver to a second worker, and only the fence stops a holder that has lost its lock without noticing. In these',
    'rounds nobody stalls; test/faults does that.\n',
    'Each scenario must show no conflict with all guards and at least one without. What counts as a conflict is in `test/race/<lock>.ts`.\n',
    '| lock | operation | conflicts with all guards | without guards | each of these is enough |',
    '| --- | --- | --- | --- | --- |',
    ...overview,
    ...absent,
    ...pathTable(paths),
    '\n## Guard by guard\n',
    '"Caught by" names the guards that keep the operation right by themselves.',
    ...details,
  ].join('\n')}\n`
}

function pathTable(paths: PathResult[]): string[] {
  return [
    '\n## Guards of the main path\n',
    'From the frozen list of a campaign to the status of a message: what each guard is good for by itself. Where several would catch',
    'the same, the others are taken away beside it, in both columns of figures; where there is none, it alone protects. What is raced,',
    'and what counts as a conflict, is in `test/race/guards`.\n',
    '| guard | what it is | taken away beside it | conflicts with it | conflicts without it | what goes wrong without it |',
    '| --- | --- | --- | --- | --- | --- |',
    ...paths.map(({ guard: { name, taken, beside, wrong }, guarded, unguarded }) => {
      const others = Object.keys(beside).join(', ') || 'nothing: it alone protects'
      return `| ${name} | ${taken.is} | ${others} | ${inWords(guarded)} | ${inWords(unguarded)} | ${wrong} |`
    }),
  ]
}

interface Choice {
  rounds: number
  /** All of them: the table is written. */
  isWhole: boolean
  scenarios: Scenario[]
  guards: PathGuard[]
}

/** What the command line asks for; nothing if it asks for help. */
function readChoice(): Choice | undefined {
  const options = {
    rounds: { type: 'string', default: '3' },
    lock: { type: 'string', multiple: true },
    guard: { type: 'string', multiple: true },
    help: { type: 'boolean', short: 'h', default: false },
  } as const
  const { values } = parseArgs({ options })
  if (values.help) return undefined
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds takes a whole number from 1, not "${values.rounds}"`)
  const isWhole = !values.lock && !values.guard
  const chosen = scenarios.filter(({ lock }) => isWhole || values.lock?.includes(lock))
  const guards = pathGuards.filter(({ name }) => isWhole || values.guard?.includes(name))
  if (chosen.length + guards.length === 0)
    throw new Error(
      `There is no such race; there are ${[...scenarios.map((s) => s.lock), ...pathGuards.map((g) => g.name)].join(', ')}`,
    )
  return { rounds, isWhole, scenarios: chosen, guards }
}

async function main(): Promise<void> {
  const choice = readChoice()
  if (!choice) return console.log(help)
  const { rounds } = choice
  const screen = createScreen(false)
  await using stack = new AsyncDisposableStack()
  const servers = stack.use(await startTestServers(root, await loadMigrations()))
  const system = stack.use(await startRace({ servers }))
  const results: Result[] = []
  for (const scenario of choice.scenarios) {
    screen.title(`${scenario.lock}: ${scenario.operation}`)
    results.push(await race(system, scenario, rounds, screen.line))
  }
  const paths: PathResult[] = []
  for (const guard of choice.guards) {
    screen.title(`${guard.name}: ${guard.taken.is}`)
    paths.push(await racePath(system, guard, rounds, screen.line))
  }
  if (choice.isWhole) {
    writeFileSync(tableFile, table(results, paths, rounds))
    screen.line(`\nWrote ${path.relative(root, tableFile)}`)
  }
  const faults = [
    ...results.flatMap((result) => faultOf(result.scenario.lock, result)),
    ...paths.flatMap((result) => faultOf(result.guard.name, result)),
  ]
  for (const fault of faults) screen.line(screen.bad(fault))
  const counted = `${plural(results.length, 'operation')} and ${plural(paths.length, 'guard')} of the main path`
  screen.line(
    faults.length === 0
      ? screen.good(`${counted}: no conflict with guards, conflicts without them`)
      : '',
  )
  process.exitCode = faults.length > 0 ? 1 : 0
}

const plural = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`

await main()
