import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { createSimulatorClient, type SimulatorClient } from '@lockstep/meta-simulator'
import { freePort } from '../bootstrap/servers.js'

const main = path.resolve(import.meta.dirname, '../meta-simulator/src/main.ts')

/** The Meta simulator in a process of its own. */
export interface SimulatorProcess extends AsyncDisposable {
  url: string
  port: number
  logFile: string
  client: SimulatorClient
}

/** Starts the simulator with its log in `dir`; everything it accepted in earlier starts is still known to it. */
export async function spawnSimulator(dir: string, port?: number): Promise<SimulatorProcess> {
  const chosen = await freePort(port)
  const logFile = path.join(dir, 'meta-simulator.ndjson')
  const child = spawn(process.execPath, [main, '--port', String(chosen), '--log', logFile, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const failed = ended.then(([code]) => Promise.reject(new Error(`The Meta simulator ended at its start (exit code ${code})`)))
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), failed])) as [string]
  failed.catch(() => {}) // it ends later, when it is stopped
  const { url } = JSON.parse(line) as { url: string }
  const client = createSimulatorClient(url)
  return {
    url,
    port: chosen,
    logFile,
    client,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      child.kill('SIGTERM')
      await ended
    },
  }
}
