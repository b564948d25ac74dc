import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { tied } from '@lockstep/servers'

export interface GroupResult {
  ok: boolean
  /** What it printed, unless that was shown at once. */
  output: string
}

/** How long what is asked to stop may take, services that drain among it, before it is killed. */
const graceMs = 15_000

/**
 * Runs a program with all that it starts as one process group, and resolves when all of it has ended. An aborted `signal` stops all
 * of it, and so does the death of this process.
 */
export async function runGroup(
  args: string[],
  options: { cwd: string; show: boolean; signal: AbortSignal },
): Promise<GroupResult> {
  const { cwd, show, signal } = options
  const [command = '', ...rest] = tied('SIGTERM', [process.execPath, ...args])
  const child = spawn(command, rest, {
    cwd,
    detached: true,
    stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => (output += chunk))
  const stop = () => void stopGroup(child.pid!)
  signal.addEventListener('abort', stop)
  const [code] = await once(child, 'exit')
  signal.removeEventListener('abort', stop)
  await stopGroup(child.pid!)
  return { ok: code === 0, output }
}

/** SIGTERM, then SIGKILL for what is left of the group after a while; resolves when nothing is. */
async function stopGroup(pid: number): Promise<void> {
  tell(pid, 'SIGTERM')
  for (const deadline = Date.now() + graceMs; tell(pid, 0); await delay(20))
    if (Date.now() > deadline) tell(pid, 'SIGKILL')
}

/** Whether there was anybody in the group to be told. */
function tell(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
