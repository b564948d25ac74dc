import type { Logger } from '@lockstep/telemetry'

/**
 * Runs a job at once and then every `ms`, never twice at a time; a failure is logged. Disposing
 * waits for the run under way.
 */
export function every<Context extends { log: Logger }>(
  ctx: Context,
  name: string,
  ms: number,
  job: (ctx: Context) => Promise<void>,
): AsyncDisposable {
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let running = Promise.resolve()
  const run = async () => {
    try {
      await job(ctx)
    } catch (error) {
      ctx.log.warn({ err: error, job: name }, 'A timed job failed and will run again')
    }
    if (!stopped) timer = setTimeout(start, ms)
  }
  const start = () => {
    running = run()
  }
  start()
  return {
    async [Symbol.asyncDispose]() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
