import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { type FileLock, lockFile, stopLeftovers, waitForLock, writeJson } from '@lockstep/servers'
import type { PortPlan } from '@lockstep/system'

const root = path.resolve(import.meta.dirname, '../..')
/** All that a start keeps: servers' data, keys, ports, logs. A second system beside the first has another folder. */
export const dataDir = path.resolve(process.env.LOCKSTEP_DIR ?? path.join(root, '.lockstep'))

/** Where a folder's state lies; all but the keys is below `dev`. */
export const filesIn = (dir: string) => ({
  dev: path.join(dir, 'dev'),
  keys: path.join(dir, 'dev-state.json'),
  ready: path.join(dir, 'ready.json'),
  lock: path.join(dir, 'start.lock'),
  tenant: path.join(dir, 'dev', 'tenant.json'),
  ports: path.join(dir, 'dev', 'services.json'),
  simulatorLog: path.join(dir, 'dev', 'meta-simulator.ndjson'),
})

const anew =
  'or begin anew with npm start -- --fresh, which throws all data of earlier starts away.'

/** What a development machine's data can't be read without, readable by its owner only and written once. */
export interface Keys {
  /** Marks a PostgreSQL server as this folder's. */
  installation: string
  encryptionKey: string
  platformKey: string
  /** Password of the owner role and of every service's. */
  password: string
}

/** One start at a time uses a folder; throws naming the process that does. */
export function lockFolder(dir: string): FileLock {
  mkdirSync(dir, { recursive: true })
  const lock = lockFile(filesIn(dir).lock)
  if ('release' in lock) return lock
  throw new Error(
    `A system already runs in ${dir}, started by process ${lock.heldBy}. Stop it first: Ctrl-C where it runs, or kill ${lock.heldBy}.`,
  )
}

/** Throws the data of earlier starts away; the caller holds the folder's lock. What a killed start left running ends first. */
export async function forget(dir: string, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const files = filesIn(dir)
  if (env.LOCKSTEP_POSTGRES_URL)
    throw new Error(
      '--fresh throws away only what lies here, and the keys of the data in the PostgreSQL that LOCKSTEP_POSTGRES_URL names are part of it. Name another PostgreSQL, or start without --fresh.',
    )
  if (existsSync(files.dev)) {
    await stopLeftovers(files.dev)
    const log = await waitForLock(`${files.simulatorLog}.lock`, 10_000)
    if ('heldBy' in log)
      throw new Error(
        `A Meta simulator of an earlier start still runs: stop it first with kill ${log.heldBy}.`,
      )
    log.release()
  }
  for (const name of [files.dev, files.keys, files.ready])
    rmSync(name, { recursive: true, force: true })
}

/** The keys of a folder, made with its first start. Throws when they are lost although there is data that needs them. */
export function readKeys(dir: string): Keys {
  const { keys: file, dev } = filesIn(dir)
  if (existsSync(file)) return checkedKeys(file)
  if (existsSync(path.join(dev, 'postgres')))
    throw new Error(
      `${file} is missing: it holds the keys and passwords of the data in ${dev}. Put it back, ${anew}`,
    )
  const random = () => randomBytes(32).toString('hex')
  const keys: Keys = {
    installation: randomUUID(),
    encryptionKey: random(),
    platformKey: random(),
    password: random(),
  }
  writeJson(file, keys, 0o600)
  return keys
}

function checkedKeys(file: string): Keys {
  const keys = readObject(file) as Partial<Keys> | undefined
  const names = ['installation', 'encryptionKey', 'platformKey', 'password'] as const
  if (keys && names.every((name) => typeof keys[name] === 'string' && keys[name] !== ''))
    return keys as Keys
  throw new Error(
    `${file} is empty or broken: it holds the keys and passwords of this folder's data. Put a copy of it back, ${anew}`,
  )
}

/** Ports of the last start, so that addresses stay the same; those of a file that can't be read are planned anew. */
export interface RememberedPorts {
  services: PortPlan
  simulator: number
}

export function readPorts(dir: string): RememberedPorts | undefined {
  return readObject(filesIn(dir).ports) as RememberedPorts | undefined
}

export function writePorts(dir: string, ports: RememberedPorts): void {
  writeJson(filesIn(dir).ports, ports)
}

/** The account, app and number of a folder, as far as they have been made. */
export interface Tenant {
  app_secret: string
  verify_token: string
  account_id: string
  api_key: string
  app_id: string
  connection_id: string
}

/** What is known of the tenant: nothing before the first start. Throws when the file can't be read. */
export function readTenant(dir: string): Partial<Tenant> {
  const { tenant: file } = filesIn(dir)
  if (!existsSync(file)) return {}
  const tenant = readObject(file) as Partial<Tenant> | undefined
  if (tenant) return tenant
  throw new Error(
    `${file} is empty or broken: it holds the API key and ids of the demo's account. Put a copy of it back, ${anew}`,
  )
}

export function writeTenant(dir: string, tenant: Partial<Tenant>): void {
  writeJson(filesIn(dir).tenant, tenant, 0o600)
}

/** The number belongs to an account whose file is gone. */
export function tenantIsMissing(dir: string): Error {
  const { tenant: file } = filesIn(dir)
  return new Error(
    `${file} is missing: it holds the API key and ids of the account that has the demo's number. Put it back, ${anew}`,
  )
}

function readObject(file: string): object | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
