import { StopAsked, stopSignal, unlessAborted } from '@lockstep/system'
import { runDemo } from './demo.ts'
import { help, type Options, readOptions } from './options.ts'
import { type Ready, removeReadyFile } from './ready.ts'
import { createScreen, type Screen } from './screen.ts'
import { setUp } from './setup.ts'
import { startStack } from './stack.ts'

/** `npm start`: everything up, the main job done, then it waits for Ctrl-C. Rejects with the reason when `ending` aborts before that. */
async function main(options: Options, screen: Screen, ending: AbortController): Promise<number> {
  const { signal } = ending
  screen.title('Lockstep')
  await using stack = await startStack(options, screen, ending)
  try {
    const { ready, api, isNew } = await unlessAborted(signal, () => setUp(stack))
    screen.line(
      screen.dim(
        isNew
          ? '    A new account with an app and a number'
          : '    The account, app and number of the last start',
      ),
    )
    if (options.demo) {
      const result = await unlessAborted(signal, () =>
        runDemo(stack, ready, api, screen, options.contacts),
      )
      if (options.json) console.log(JSON.stringify(result))
      if (options.once) return result.violations === 0 && result.duplicates === 0 ? 0 : 1
    } else if (options.once) return 0
    showAddresses(screen, ready)
    return await untilStopped(signal)
  } finally {
    removeReadyFile()
    if (!signal.aborted) screen.line('\nStopping …')
  }
}

/** Ctrl-C while it runs is its proper end; anything else rejects. */
async function untilStopped(signal: AbortSignal): Promise<number> {
  await unlessAborted(signal, () => new Promise(() => {})).catch((reason) => {
    if (!(reason instanceof StopAsked)) throw reason
  })
  return 0
}

function showAddresses(screen: Screen, ready: Ready): void {
  screen.title('It runs')
  screen.table(
    ['what', 'where'],
    [
      ['API', `${ready.api}/v1`],
      ['Documentation', `${ready.api}/docs`],
      ['Webhooks', ready.webhook_url],
      ['Meta simulator', `${ready.simulator}/_sim/summary`],
      ['PostgreSQL', ready.postgres.replace(/:[^:@/]+@/, ':…@')],
      ['NATS', ready.nats],
      ['Redis', ready.redis],
      ['Metrics', `${ready.health.campaigns}/metrics (and one for each service)`],
    ],
  )
  screen.line(
    '  Keys and ids are in .lockstep/ready.json; npm run audit checks all of it. Ctrl-C stops everything.',
  )
}

/** Its exit code: 130 when it was stopped before its end, 1 when something failed. */
async function runMain(options: Options): Promise<number> {
  const screen = createScreen(options.json)
  const ending = stopSignal(() => screen.line('\nStopping …'))
  try {
    return await main(options, screen, ending)
  } catch (error) {
    // What was under way when it ended may have failed for that.
    const cause: unknown = ending.signal.aborted ? ending.signal.reason : error
    if (cause instanceof StopAsked) return 130
    screen.line(screen.bad(`\n${(cause as Error).message}`))
    if (process.env.LOCKSTEP_LOG_LEVEL) console.error(cause)
    return 1
  }
}

let options: Options | 'help' | null = null
try {
  options = readOptions(process.argv.slice(2))
} catch (error) {
  console.error(`${(error as Error).message}\n\n${help}`)
  process.exitCode = 2
}
if (options === 'help') console.log(help)
else if (options) {
  process.exitCode = await runMain(options)
  // What an early end left under way, such as a migration, must not keep it.
  if (process.exitCode !== 0) process.exit()
}
