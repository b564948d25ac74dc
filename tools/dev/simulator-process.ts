import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { createSimulatorClient, type SimulatorClient } from '@lockstep/meta-simulator'
import { onFreePort, tail, tied, waitForLock } from '@lockstep/servers'
import type { Running } from '@lockstep/system'

const main = path.resolve(import.meta.dirname, '../../packages/meta-simulator/src/main.ts')

/** The Meta simulator in a process of its own, which ends when the one that started it does. */
export interface SimulatorProcess extends Running, AsyncDisposable {
  url: string
  port: number
  /** The ground truth. */
  logFile: string
  /** What the process says about itself. */
  errorFile: string
  client: SimulatorClient
  /** Starts one that has ended again, on the same port. */
  restart(): Promise<Running>
}

/** Starts the simulator with its log in `dir`; everything it accepted in earlier starts is still known to it. */
export async function spawnSimulator(
  dir: string,
  wanted?: number,
  signal?: AbortSignal,
): Promise<SimulatorProcess> {
  const files = {
    logFile: path.join(dir, 'meta-simulator.ndjson'),
    errorFile: path.join(dir, 'meta-simulator.log'),
  }
  // One whose starter was killed a moment ago may still be stopping.
  const lock = await waitForLock(`${files.logFile}.lock`, 10_000)
  if ('release' in lock) lock.release()
  const first = await onFreePort(wanted, (port) => spawnOn(port, files, signal))
  const client = createSimulatorClient(first.url)
  return {
    ...first,
    ...files,
    client,
    restart: () => spawnOn(first.port, files),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
    },
  }
}

async function spawnOn(
  port: number,
  { logFile, errorFile }: Pick<SimulatorProcess, 'logFile' | 'errorFile'>,
  signal?: AbortSignal,
) {
  const args = [process.execPath, main, '--port', String(port), '--log', logFile, '--json']
  const [command = process.execPath, ...rest] = tied('SIGTERM', args)
  const errors = openSync(errorFile, 'a')
  const errorsStart = fstatSync(errors).size
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', errors] })
  closeSync(errors)
  const exited = once(child, 'exit')
  const stop = () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    return exited
  }
  signal?.addEventListener('abort', stop, { once: true })
  const ended = exited.then(() => undefined)
  const line = await Promise.race([once(createInterface(child.stdout!), 'line'), ended])
  signal?.removeEventListener('abort', stop)
  signal?.throwIfAborted()
  if (!line)
    throw new Error(
      `The Meta simulator ended at its start. The end of ${errorFile}:\n${tail(errorFile, errorsStart)}`,
    )
  const { url } = JSON.parse(line[0]) as { url: string }
  return { url, port, exited, stop }
}
