import { watch } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { StopAsked, stopSignal } from '@lockstep/system'
import { runChecks, showChecks } from './checks.ts'
import { createScreen } from './screen.ts'

const help = `npm run check -- [options]

  Types, format and lint, who may import whom, dead exports, generated code, documentation: all but the tests.

  --watch   again whenever a file changes, until Ctrl-C
  --json    one JSON line (a run) and nothing else on stdout`

const root = path.resolve(import.meta.dirname, '../..')
const values = readOptions()
const screen = createScreen(values.json)

function readOptions() {
  const flag = { type: 'boolean', default: false } as const
  try {
    return parseArgs({ options: { watch: flag, json: flag, help: { ...flag, short: 'h' } } }).values
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`)
    process.exit(2)
  }
}

/** Runs all checks once and says what came of it; answers whether all passed. */
async function runOnce(signal: AbortSignal): Promise<boolean> {
  const startedAt = performance.now()
  const results = await runChecks(signal)
  const failed = results.filter(({ ok }) => !ok).length
  const seconds = Number(((performance.now() - startedAt) / 1000).toFixed(1))
  showChecks(screen, results)
  screen.line(`\n${results.length - failed} passed, ${failed} failed in ${seconds} s`)
  if (values.json) {
    const each = results.map(({ name, ok, ms, output }) => ({
      name,
      ok,
      ms: Math.round(ms),
      ...(!ok && { output }),
    }))
    console.log(JSON.stringify({ passed: results.length - failed, failed, seconds, checks: each }))
  }
  return failed === 0
}

/** How long files must rest before the checks run: an editor writes several at once. */
const restMs = 300
const watched = ['packages', 'services', 'tools', 'test', 'proto', 'docs', '.']
const isOurs = (file: string) =>
  !/(^|[/\\])(node_modules|\.lockstep|\.git|coverage)([/\\]|$)|\.log$/.test(file)

/** Runs until `ending` aborts; a change ends the run that is under way. */
async function runOnChanges(ending: AbortSignal): Promise<never> {
  let change = Promise.withResolvers<void>()
  const watchers = watched.map((folder) =>
    watch(
      path.join(root, folder),
      { recursive: folder !== '.', signal: ending },
      (_event, file) => {
        if (file && isOurs(file)) change.resolve()
      },
    ),
  )
  for (const watcher of watchers) watcher.on('error', () => change.resolve())
  for (;;) {
    change = Promise.withResolvers<void>()
    const changed = new AbortController()
    void change.promise.then(() => changed.abort())
    await runOnce(AbortSignal.any([ending, changed.signal])).catch((error) => {
      if (ending.aborted || !changed.signal.aborted) throw error
      screen.line(screen.dim('Something changed; from the beginning …'))
    })
    if (!changed.signal.aborted) screen.line(screen.dim('Waiting for a change …'))
    await untilResolved(change.promise, ending)
    await delay(restMs, undefined, { signal: ending })
  }
}

async function untilResolved(promise: Promise<void>, ending: AbortSignal): Promise<void> {
  const { promise: ended, reject } = Promise.withResolvers<never>()
  ending.addEventListener('abort', () => reject(ending.reason))
  await Promise.race([promise, ended])
}

async function main(): Promise<number> {
  if (values.help) {
    console.log(help)
    return 0
  }
  const { signal } = stopSignal(() => screen.line('\nStopping …'))
  try {
    return values.watch ? await runOnChanges(signal) : (await runOnce(signal)) ? 0 : 1
  } catch (error) {
    if (error instanceof StopAsked || signal.aborted) return values.watch ? 0 : 130
    throw error
  }
}

process.exitCode = await main()
