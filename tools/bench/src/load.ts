import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { BenchContext } from './bench.ts'
import type { Load, LoadReport } from './load-process.ts'

/** How many connections Meta is made to hold. */
export const connections = 64

/** Forks a module of this folder, and waits until it says that it is ready; gives what it said. It ends with the parent. */
export async function startProcess<Ready>(
  ctx: BenchContext,
  module: string,
  args: string[] = [],
): Promise<{ child: ChildProcess; ready: Ready } & AsyncDisposable> {
  const child = fork(new URL(module, import.meta.url), args, { serialization: 'advanced' })
  const [ready] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [Ready]
  if (child.exitCode !== null || child.signalCode !== null)
    throw new Error(`${module} ended at its start; its words are above`)
  return {
    child,
    ready,
    async [Symbol.asyncDispose]() {
      ctx.watch(module.replace(/^.*\/|\.ts$/g, ''), child.pid ?? 0)
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

/** Has the load generator post webhooks; throws when it ends. */
export async function post(child: ChildProcess, load: Load): Promise<LoadReport> {
  const ended = new AbortController()
  const end = () => ended.abort(new Error('The load generator ended; its words are above'))
  child.once('exit', end)
  try {
    const report = once(child, 'message', { signal: ended.signal })
    child.send(load)
    return (await report)[0]
  } finally {
    child.off('exit', end)
  }
}
