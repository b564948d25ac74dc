import { once } from 'node:events'
import { AppError } from '@lockstep/contracts'

/**
 * A service's main: starts it, waits for SIGTERM or SIGINT, stops it in reverse order, and lets the process end with code 0.
 * What keeps it from starting is said in plain words and ends it with 1. A second signal ends it at once.
 */
export async function run(start: () => Promise<AsyncDisposable>): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(130)
      stop.abort()
    })
  try {
    await using _service = await start()
    if (!stop.signal.aborted) await once(stop.signal, 'abort')
  } catch (error) {
    console.error(error instanceof AppError ? error.message : error)
    process.exitCode = 1
  }
}
