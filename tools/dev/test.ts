import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { createScreen } from './screen.ts'

const root = path.resolve(import.meta.dirname, '../..')
const bin = (name: string) => path.join(root, 'node_modules', name)
const resultsFile = path.join(root, '.lockstep', 'test', 'results.json')

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

/** Runs a program of this repository; its output is kept unless it is to be seen at once. */
async function run(args: string[], show: boolean): Promise<{ ok: boolean; output: string }> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk))
  const [code] = await once(child, 'close')
  return { ok: code === 0, output }
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
  rmSync(resultsFile, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${resultsFile}`]
  const { ok } = await run([bin('vitest/vitest.mjs'), 'run', ...reporters, ...args], true)
  if (!existsSync(resultsFile)) return { passed: 0, failed: 1, skipped: 0 }
  const results = JSON.parse(readFileSync(resultsFile, 'utf8'))
  const failed = results.numFailedTests || (ok ? 0 : 1)
  return { passed: results.numPassedTests, failed, skipped: results.numPendingTests + results.numTodoTests }
}

const args = process.argv.slice(2)
const outcomes = [args.length > 0 ? { passed: 0, failed: 0, skipped: 0 } : await runChecks(), await runTests(args)]
const sum = (what: keyof Outcome) => outcomes.reduce((total, outcome) => total + outcome[what], 0)
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed${sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''}`)
process.exitCode = sum('failed') > 0 ? 1 : 0
