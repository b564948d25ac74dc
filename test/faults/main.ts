import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { loadMigrations } from '@lockstep/system'
import { type OwnServers, startTestServers } from '@lockstep/testing'
import { createScreen } from '../../tools/dev/screen.ts'
import { type FaultRun, noTally, type Requirement, startFaultRun, type Tally } from './run.ts'
import type { FaultScenario } from './scenario.ts'
import { faultScenarios } from './scenarios/index.ts'

const root = path.resolve(import.meta.dirname, '../..')
const reportFile = path.join(root, 'docs', 'faults.md')

const help = `npm run faults -- [options]

  --scenario NAME   only this one; may be repeated: ${faultScenarios.map((s) => s.name).join(', ')}
  --seed S          the dice: a number, or a range such as 1..10 (default 1)
  --short           the short form that npm test runs
  --write           writes docs/faults.md; what it says of scenarios that were not run stays
  --json            one JSON line at the end`

interface Outcome {
  scenario: FaultScenario
  seed: number
  seconds: number
  tally: Tally
  requirements: Requirement[]
  violation: string | null
}

/** `7` or `1..10`. Throws naming what it takes. */
function seedsOf(text: string): number[] {
  const [from, to = from] = text.split('..').map(Number)
  if (!Number.isInteger(from) || !Number.isInteger(to) || to! < from!)
    throw new Error(`--seed takes a number or a range such as 1..10, not "${text}"`)
  return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i)
}

const flag = { type: 'boolean', default: false } as const
const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true },
    seed: { type: 'string', default: '1' },
    short: flag,
    write: flag,
    json: flag,
    help: flag,
  },
})
const screen = createScreen(values.json)

async function main(): Promise<number> {
  const chosen = values.scenario
    ? faultScenarios.filter((s) => values.scenario!.includes(s.name))
    : faultScenarios
  if (chosen.length < (values.scenario?.length ?? 1))
    throw new Error(`There is no such scenario.\n\n${help}`)
  await using servers = await startTestServers(root, await loadMigrations(), { durable: true })
  const outcomes: Outcome[] = []
  for (const seed of seedsOf(values.seed)) {
    screen.title(`Seed ${seed}`)
    for (const scenario of chosen) outcomes.push(await runOne(scenario, seed, servers))
  }
  show(outcomes)
  if (values.write) writeReport(outcomes)
  return outcomes.some((outcome) => outcome.violation) ? 1 : 0
}

async function runOne(
  scenario: FaultScenario,
  seed: number,
  servers: OwnServers,
): Promise<Outcome> {
  const startedAt = performance.now()
  let run: FaultRun | undefined
  let violation: string | null = null
  try {
    await using started = await startFaultRun(scenario, { seed, servers })
    run = started
    await scenario.run(run, values.short ? 'short' : 'full')
  } catch (error) {
    violation = (error as Error).message
  }
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  if (violation === null)
    screen.line(
      `  ${screen.good('✓')} ${scenario.name.padEnd(16)} ${scenario.guarantee} ${screen.dim(`${seconds} s`)}`,
    )
  else {
    screen.line(`  ${screen.bad('✗')} ${scenario.name}, seed ${seed}: ${violation}`)
    for (const line of run?.history ?? []) screen.line(screen.dim(`      ${line}`))
  }
  const requirements = run?.requirements ?? []
  for (const { name, found, reach, met } of requirements)
    screen.line(
      `      ${met ? screen.good('✓') : screen.bad('✗')} ${name}: ${found} ${screen.dim(reach)}`,
    )
  return { scenario, seed, seconds, tally: run?.tally ?? noTally(), requirements, violation }
}

const columns: [keyof Tally, string][] = [
  ['posts', 'POSTs'],
  ['webhooks', 'webhooks'],
  ['duplicates', 'duplicates fed'],
  ['kills', 'kills'],
  ['stops', 'stops'],
  ['restarts', 'restarts'],
  ['losses', 'stores lost'],
  ['orders', 'orders'],
  ['webhooksRetried', 'webhooks retried'],
  ['unknownsResolved', 'unknown, resolved'],
  ['unknownsOrdered', 'unknown, ordered'],
]

/** One row a scenario: its runs added up. */
function rowsOf(outcomes: Outcome[]): (string | number)[][] {
  return [...Map.groupBy(outcomes, (outcome) => outcome.scenario)].map(([scenario, runs]) => [
    scenario.name,
    runs.length,
    ...columns.map(([column]) => runs.reduce((sum, run) => sum + run.tally[column], 0)),
    runs.filter((run) => run.violation).length,
  ])
}

const head = ['scenario', 'runs', ...columns.map(([, title]) => title), 'violations']

function show(outcomes: Outcome[]): void {
  if (values.json)
    console.log(
      JSON.stringify(
        outcomes.map(({ scenario, ...rest }) => ({ scenario: scenario.name, ...rest })),
      ),
    )
  screen.line()
  screen.table(head, rowsOf(outcomes))
}

/** The cells of a table's rows in the report, by the scenario in the first. */
function rowsInReport(titles: readonly string[]): string[][] {
  if (!existsSync(reportFile)) return []
  const lines = readFileSync(reportFile, 'utf8').split('\n')
  const from = lines.indexOf(asRow(titles))
  if (from < 0) return []
  const end = lines.findIndex((line, at) => at > from && !line.startsWith('|'))
  return lines
    .slice(from + 2, end < 0 ? undefined : end)
    .map((line) => line.slice(2, -2).split(' | '))
}

const asRow = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`

/** New rows in place of the report's of the same scenarios; the others stay. In the order of the scenarios. */
function tableOf(
  titles: readonly string[],
  rows: readonly (string | number)[][],
  ran: ReadonlySet<string>,
): string {
  const kept = rowsInReport(titles).filter(([name]) => !ran.has(name!))
  const place = ([name]: readonly (string | number)[]) =>
    faultScenarios.findIndex((scenario) => scenario.name === name)
  const all = [...kept, ...rows]
    .filter((row) => place(row) >= 0)
    .toSorted((a, b) => place(a) - place(b))
  return [titles, titles.map(() => '---'), ...all].map(asRow).join('\n')
}

const reportHead = [...head, 'seeds', 'minutes', 'on']
const requirementHead = ['scenario', 'seed', 'requirement', 'found', 'to reach', 'reached']
const violationHead = ['scenario', 'seed', 'violation']

function writeReport(outcomes: Outcome[]): void {
  const ran = new Set(outcomes.map(({ scenario }) => scenario.name))
  const on = new Date().toISOString().slice(0, 10)
  const rows = rowsOf(outcomes).map((row) => {
    const runs = outcomes.filter(({ scenario }) => scenario.name === row[0])
    const minutes = Math.round(runs.reduce((sum, { seconds }) => sum + seconds, 0) / 60)
    return [...row, values.short ? `${values.seed}, short` : values.seed, minutes, on]
  })
  const required = outcomes.flatMap(({ scenario, seed, requirements }) =>
    requirements.map(({ name, found, reach, met }) => [
      scenario.name,
      seed,
      name,
      found,
      reach,
      met ? 'yes' : '**no**',
    ]),
  )
  const broken = outcomes.flatMap(({ scenario, seed, violation }) =>
    violation
      ? [[scenario.name, seed, violation.replaceAll(/\s+/g, ' ').replaceAll('|', '/')]]
      : [],
  )
  mkdirSync(path.dirname(reportFile), { recursive: true })
  writeFileSync(
    reportFile,
    `# The fault suite

Written by \`npm run faults -- --seed 1..10 --write\`, on ${availableParallelism()} cores; with \`--scenario NAME\` it writes that scenario's rows alone.

Each run starts the system with real PostgreSQL, NATS and Redis and the Meta simulator, takes processes, servers or outcomes away in the
middle of a send, and ends with the audit: a violation is any broken invariant. All times are scaled by a fifth, but for
neighbour and wide, which run in real time; I8 (rates) is left to \`test/limits.test.ts\`, which judges it in full time.

${tableOf(reportHead, rows, ran)}

${faultScenarios.map(({ name, guarantee }) => `- **${name}**: ${guarantee}.`).join('\n')}

## What is required besides

${tableOf(requirementHead, required, ran)}

## Violations

${tableOf(violationHead, broken, ran)}
`,
  )
  screen.line(`  Written to ${path.relative(root, reportFile)}`)
}

if (values.help) console.log(help)
else
  try {
    process.exitCode = await main()
  } catch (error) {
    screen.line(screen.bad((error as Error).message))
    process.exitCode = 2
  }
