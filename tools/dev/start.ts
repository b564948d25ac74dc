import { runDemo } from './demo.ts'
import { help, type Options, readOptions } from './options.ts'
import { createScreen, type Screen } from './screen.ts'
import { type Ready, removeReadyFile, setUp } from './setup.ts'
import { startStack } from './stack.ts'

/** `npm start`: everything up, the main job done, then it waits for Ctrl-C. */
async function main(options: Options, screen: Screen, stopped: Promise<'stopped'>): Promise<number> {
  screen.title('Lockstep')
  await using stack = await startStack(options, screen)
  const { ready, api, isNew } = await setUp(stack)
  try {
    screen.line(screen.dim(isNew ? '    A new account with an app and a number' : '    The account, app and number of the last start'))
    if (options.demo) {
      const result = await Promise.race([runDemo(stack, ready, api, screen, options.contacts), stopped])
      if (result === 'stopped') return 130
      if (options.json) console.log(JSON.stringify(result))
      if (options.once) return result.violations === 0 && result.duplicates === 0 ? 0 : 1
    } else if (options.once) return 0
    showAddresses(screen, ready)
    await stopped
    return 0
  } finally {
    removeReadyFile()
    screen.line()
    screen.line('Stopping …')
  }
}

function showAddresses(screen: Screen, ready: Ready): void {
  screen.title('It runs')
  screen.table(
    ['what', 'where'],
    [
      ['API', `${ready.api}/v1`],
      ['Webhooks', ready.webhook_url],
      ['Meta simulator', `${ready.simulator}/_sim/summary`],
      ['PostgreSQL', ready.postgres.replace(/:[^:@/]+@/, ':…@')],
      ['NATS', ready.nats],
      ['Redis', ready.redis],
      ['Metrics', `${ready.health.campaigns}/metrics (and one for each service)`],
    ],
  )
  screen.line('  Keys and ids are in .lockstep/ready.json; npm run audit checks all of it. Ctrl-C stops everything.')
}

function onStopSignal(): Promise<'stopped'> {
  return new Promise((resolve) => {
    let lastAt = 0
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        // The terminal and npm may both pass one Ctrl-C on; a second one a moment later is a person in a hurry.
        if (lastAt && Date.now() - lastAt > 1_000) process.exit(130)
        lastAt = Date.now()
        resolve('stopped')
      })
  })
}

const stopped = onStopSignal()
let options: Options | 'help' | null = null
try {
  options = readOptions(process.argv.slice(2))
} catch (error) {
  console.error(`${(error as Error).message}\n\n${help}`)
  process.exitCode = 2
}
if (options === 'help') console.log(help)
else if (options) {
  const screen = createScreen(options.json)
  try {
    process.exitCode = await main(options, screen, stopped)
  } catch (error) {
    screen.line(screen.bad(`\n${(error as Error).message}`))
    if (process.env.LOCKSTEP_LOG_LEVEL) console.error(error)
    process.exitCode = 1
  }
}
