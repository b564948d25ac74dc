import { once } from 'node:events'
import { flushCompileCache } from 'node:module'
import { AppError } from '@lockstep/contracts'
import { ownVariables, readConfig, sharedVariables, type Variable } from './config.ts'
import type { DeclaredService } from './define.ts'
import { startService } from './start.ts'

/** A service's main: what it reads is said for `--help`, else it runs until it is told to stop. */
export async function run(service: DeclaredService): Promise<void> {
  if (process.argv.includes('--help')) return console.log(helpOf(service))
  await runUntilStopped(async () => startService(service, readConfig(service, process.env)))
}

/**
 * Starts something and stops it at SIGTERM or SIGINT; a second signal ends the process at once. A
 * failed start is printed and ends it with 1.
 */
export async function runUntilStopped(start: () => Promise<AsyncDisposable>): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(130)
      stop.abort()
    })
  try {
    await using _service = await start()
    flushCompileCache() // so that it is there also after a SIGKILL
    if (!stop.signal.aborted) await once(stop.signal, 'abort')
  } catch (error) {
    console.error(error instanceof AppError ? error.message : error)
    process.exitCode = 1
  }
}

function helpOf({ name, config }: DeclaredService): string {
  const variables = [...ownVariables(config), ...sharedVariables()]
  const width = Math.max(...variables.map((variable) => variable.name.length))
  const lineOf = ({ name, about, byDefault }: Variable) =>
    `  ${name.padEnd(width)}  ${about}${byDefault === undefined ? ' (must be set)' : byDefault ? ` (${byDefault})` : ''}`
  return `The service ${name}. It reads its environment:\n\n${variables.map(lineOf).join('\n')}`
}
