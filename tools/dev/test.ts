import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { StopAsked, stopSignal } from '@lockstep/system'
import { runChecks, showChecks } from './checks.ts'
import { runGroup } from './process-group.ts'
import { createScreen } from './screen.ts'

const root = path.resolve(import.meta.dirname, '../..')
/** Of this run: others may be under way. */
const resultsFile = path.join(root, '.lockstep', 'test', `results-${process.pid}.json`)
const { signal } = stopSignal(() => console.error('\nStopping …'))

interface Outcome {
  passed: number
  failed: number
  skipped: number
}

/** The checks of `npm run check`. */
async function check(): Promise<Outcome> {
  const screen = createScreen(false)
  screen.title('Checks')
  const results = await runChecks(signal)
  showChecks(screen, results)
  const passed = results.filter(({ ok }) => ok).length
  return { passed, failed: results.length - passed, skipped: 0 }
}

/** Vitest writes what it counted to a file; a run that leaves none has failed as a whole. */
async function runTests(args: string[]): Promise<Outcome> {
  mkdirSync(path.dirname(resultsFile), { recursive: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${resultsFile}`]
  try {
    const vitest = path.join(root, 'node_modules/vitest/vitest.mjs')
    const { ok } = await runGroup([vitest, 'run', ...reporters, ...args], {
      cwd: root,
      show: true,
      signal,
    })
    signal.throwIfAborted()
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

/** It counts each arrival to the ms, so nothing runs beside it. */
const alone = 'test/limits.test.ts'

async function runAll(): Promise<Outcome[]> {
  return [await check(), await runTests([alone]), await runTests(['--exclude', alone])]
}

async function main(args: string[]): Promise<number> {
  const outcomes = args.length > 0 ? [await runTests(args)] : await runAll()
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
