import { once } from 'node:events'
import { AppError } from '@lockstep/contracts'

/**
 * A service's main: starts it, waits for SIGTERM or SIGINT, stops it in reverse order. A wrong environment is said in
 * plain words. A second signal ends at once.
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
