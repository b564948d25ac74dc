import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { tied } from '@lockstep/servers'

/** Processes that want all the CPU they can get, so many a core, until they are disposed of or this process ends. */
export function startBusy(aCore: number): Disposable {
  const busy = Array.from({ length: aCore * availableParallelism() }, () => {
    const [command, ...args] = tied('SIGKILL', [process.execPath, '-e', 'for (;;);'])
    return spawn(command!, args, { stdio: 'ignore' })
  })
  return {
    [Symbol.dispose]() {
      for (const each of busy) each.kill('SIGKILL')
    },
  }
}
