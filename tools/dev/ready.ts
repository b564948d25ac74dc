import { existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { startTime, writeJson } from '@lockstep/servers'
import { dataDir } from './state.ts'

/** Every address and development credential, as .lockstep/ready.json holds them while the stack runs. */
export interface Ready {
  pid: number
  /** Which process of that number it is: one that has the pid later has another. */
  pid_started?: string
  gateway: string
  api: string
  simulator: string
  postgres: string
  nats: string
  redis: string
  account_id: string
  api_key: string
  app_id: string
  app_secret: string
  verify_token: string
  /** Where the app's webhooks go. */
  webhook_url: string
  connection_id: string
  phone_number_id: string
  waba_id: string
  access_token: string
  simulator_log: string
  /** Health, readiness and metrics of each service. */
  health: Record<string, string>
  /** host:port of each service's gRPC endpoint. */
  grpc: Record<string, string>
}

export const readyFile = path.join(dataDir, 'ready.json')

/** The system that runs now. Throws saying what to do when none does, or the file is no such file. */
export function readReady<Wanted extends Partial<Ready> = Ready>(file: string = readyFile): Wanted {
  if (!existsSync(file))
    throw new Error('Nothing runs here. Start it with npm start, in another terminal.')
  const ready = parse(readFileSync(file, 'utf8'))
  if (!ready)
    throw new Error(
      `${file} is empty or broken. Stop what runs, if anything does, and start it again with npm start.`,
    )
  const { pid, pid_started } = ready
  if (
    pid !== undefined &&
    (startTime(pid) === undefined || (pid_started !== undefined && startTime(pid) !== pid_started))
  )
    throw new Error(
      `The system that ${file} tells of (process ${pid}) was killed: it no longer runs. Start it again with npm start.`,
    )
  return ready as Wanted
}

function parse(text: string): Partial<Ready> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' ? value : undefined
  } catch {
    return undefined
  }
}

export function writeReady(ready: Omit<Ready, 'pid' | 'pid_started'>): Ready {
  const written = { pid: process.pid, pid_started: startTime(process.pid), ...ready }
  writeJson(readyFile, written, 0o600)
  return written
}

/** The stack no longer runs, or not yet. */
export function removeReadyFile(): void {
  rmSync(readyFile, { force: true })
}
