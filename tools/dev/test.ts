import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { StopAsked, stopSignal } from '@lockstep/system'
import { type GroupResult, runGroup } from './process-group.ts'
import { createScreen } from './screen.ts'

const root = path.resolve(import.meta.dirname, '../..')
const bin = (name: string) => path.join(root, 'node_modules', name)
/** Of this run: others may be under way. */
const resultsFile = path.join(root, '.lockstep', 'test', `results-${process.pid}.json`)
const { signal } = stopSignal(() => console.error('\nStopping …'))

/** What must hold besides the tests; each is a program that ends with 0. */
const checks: [string, string[]][] = [
  ['Types', [bin('typescript/bin/tsc'), '-p', root]],
  ['Format and lint', [bin('@biomejs/biome/bin/biome'), 'ci', '--error-on-warnings', root]],
  ['Import rules', ['tools/dev/check-imports.ts']],
  ['Generated gRPC code', ['tools/dev/generate.ts', '--check']],
  ['Catalogue', ['tools/catalogue/main.ts', '--check']],
  ['Paths in the documentation', ['tools/dev/check-docs.ts']],
]

interface Outcome {
  passed: number
  failed: number
  skipped: number
}

/** Runs a program of this repository; its output is kept unless it is to be seen at once. Throws when it was asked to stop. */
async function run(args: string[], show: boolean): Promise<GroupResult> {
  const result = await runGroup(args, { cwd: root, show, signal })
  signal.throwIfAborted()
  return result
}

async function runChecks(): Promise<Outcome> {
  const screen = createScreen(false)
  const outcome = { passed: 0, failed: 0, skipped: 0 }
  screen.title('Checks')
  for (const [name, args] of checks) {
    const { ok, output } = await run(args, false)
    screen.line(`  ${ok ? screen.good('✓') : screen.bad('✗')} ${name}`)
    if (!ok) screen.line(output.replace(/^/gm, '    '))
    outcome[ok ? 'passed' : 'failed']++
  }
  return outcome
}

/** Vitest writes what it counted to a file; a run that leaves none has failed as a whole. */
async function runTests(args: string[]): Promise<Outcome> {
  mkdirSync(path.dirname(resultsFile), { recursive: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${resultsFile}`]
  try {
    const { ok } = await run([bin('vitest/vitest.mjs'), 'run', ...reporters, ...args], true)
    if (!existsSync(resultsFile)) return { passed: 0, failed: 1, skipped: 0 }
    const results = JSON.parse(readFileSync(resultsFile, 'utf8'))
    const failed = results.numFailedTests || (ok ? 0 : 1)
    return {
      passed: results.numPassedTests,
      failed,
      skipped: results.numPendingTests + results.numTodoTests,
    }
  } finally {
    rmSync(resultsFile, { force: true })
  }
}

async function main(args: string[]): Promise<number> {
  const checked = args.length > 0 ? { passed: 0, failed: 0, skipped: 0 } : await runChecks()
  const outcomes = [checked, await runTests(args)]
  const sum = (what: keyof Outcome) => outcomes.reduce((total, outcome) => total + outcome[what], 0)
  console.log(
    `\n${sum('passed')} passed, ${sum('failed')} failed${sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''}`,
  )
  return sum('failed') > 0 ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  if (error instanceof StopAsked) return 130
  throw error
})
