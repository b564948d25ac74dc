import { randomBytes } from 'node:crypto'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { readJson, writeJson } from './files.js'
import { launch, onFreePort, onPath, run, stopProcess } from './process.js'

const settings = {
  listen_addresses: '127.0.0.1',
  max_connections: '300', // nine services with a pool each
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  track_commit_timestamp: 'on',
  jit: 'off', // costs more than it gives on short statements; its LLVM is not fetched
  max_parallel_workers_per_gather: '0', // a container's 64 MB of /dev/shm are too few for them
  log_min_messages: 'warning',
  log_line_prefix: '%m [%p] ',
}
const notDurable = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

/**
 * Starts a private PostgreSQL in `<dir>/postgres` on 127.0.0.1 only, creating it the first time; the superuser's random password stays in `<dir>/secrets.json`.
 * As root it runs as another user, because PostgreSQL refuses root. `durable: false` trades safety from power loss for speed: for tests.
 * @param {{ dir: string, postgresBin: string, env?: Record<string, string>, port?: number, durable?: boolean, log?: (line: string) => void, signal?: AbortSignal }} options
 */
export async function startPostgres({
  dir,
  postgresBin,
  env = {},
  port,
  durable = true,
  log = () => {},
  signal,
}) {
  const data = join(dir, 'postgres')
  const owner = process.getuid?.() === 0 ? unprivileged() : undefined
  mkdirSync(dir, { recursive: true })
  const password = existsSync(data)
    ? knownPassword(dir)
    : await create({ dir, data, postgresBin, env, owner, log, signal })
  if (owner && statSync(data).uid !== owner.uid)
    await run('chown', ['-R', `${owner.uid}:${owner.gid}`, data])
  const unclean = await clearPidFile(data)

  const start = (/** @type {number} */ chosen) =>
    launch({
      name: 'PostgreSQL',
      program: join(postgresBin, 'postgres'),
      args: ['-D', data, '-p', String(chosen), '-k', '', ...settingArgs(durable)],
      privileges: owner ? owner.setpriv : [],
      env,
      logFile: join(dir, 'postgres.log'),
      stopSignal: 'SIGINT', // "fast": rolls back what is open and leaves a clean data folder
      ready: async (pid) => pidInFile(data) === pid && acceptsLogins(chosen),
      deadlineMs: 60_000,
      signal,
    })
  return onFreePort(port, async (chosen) => {
    // The children of a killed server may hold its shared memory for a moment longer than it lived.
    const server = await start(chosen).catch((error) =>
      unclean && !signal?.aborted ? start(chosen) : Promise.reject(error),
    )
    return {
      ...server,
      port: chosen,
      url: `postgres://postgres:${password}@127.0.0.1:${chosen}/postgres`,
    }
  })
}

/** @param {boolean} durable */
function settingArgs(durable) {
  const all = {
    ...settings,
    ...(durable ? {} : notDurable),
    timezone: existsSync('/usr/share/zoneinfo/UTC') ? 'UTC' : 'GMT',
  }
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** @param {string} dir */
function knownPassword(dir) {
  const password = readJson(join(dir, 'secrets.json'))?.postgresPassword
  if (!password)
    throw new Error(
      `${dir}/secrets.json, which holds the password of the database in ${dir}/postgres, is missing, empty or broken. Put it back, or delete ${dir} to start anew.`,
    )
  return password
}

/**
 * @param {{ dir: string, data: string, postgresBin: string, env: Record<string, string>, owner: ReturnType<typeof unprivileged> | undefined, log: (line: string) => void, signal: AbortSignal | undefined }} options
 */
async function create({ dir, data, postgresBin, env, owner, log, signal }) {
  log('Creating the database')
  const password = randomBytes(18).toString('base64url')
  writeJson(join(dir, 'secrets.json'), { postgresPassword: password }, 0o600)
  const draft = `${data}.new`
  const passwordFile = `${data}.password`
  rmSync(draft, { recursive: true, force: true })
  rmSync(passwordFile, { force: true })
  mkdirSync(draft, { mode: 0o700 })
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  if (owner) for (const path of [draft, passwordFile]) chownSync(path, owner.uid, owner.gid)
  const initdb = [
    join(postgresBin, 'initdb'),
    '-D',
    draft,
    '-U',
    'postgres',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
  ]
  const command = [
    ...(owner ? ['setpriv', ...owner.setpriv] : []),
    ...initdb,
    '--encoding=UTF8',
    '--locale=C.UTF-8',
    '--no-instructions',
    '--no-sync',
  ]
  try {
    await run(command[0] ?? '', command.slice(1), {
      cwd: '/',
      env: { ...process.env, ...env },
      signal,
    })
    renameSync(draft, data)
  } finally {
    rmSync(passwordFile, { force: true })
  }
  return password
}

/** The user that PostgreSQL runs as when we are root: postgres where there is one, else nobody. */
export function unprivileged() {
  if (!onPath('setpriv'))
    throw new Error(
      'PostgreSQL refuses to run as root, and setpriv (package util-linux) is missing. Run this as an ordinary user.',
    )
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const user = ['postgres', 'nobody']
    .map((name) => users.find((fields) => fields[0] === name))
    .find(Boolean)
  const [uid, gid] = [Number(user?.[2] ?? 65534), Number(user?.[3] ?? 65534)]
  return {
    uid,
    gid,
    setpriv: [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...passThroughFolders()],
  }
}

/**
 * A parent folder may be root's alone (0700, as /root is): these let another user pass through it, as far as this container has the right to give.
 * Without the securebit, access(2), by which PostgreSQL looks for its own programs, would disregard the capability.
 */
function passThroughFolders() {
  const granted = BigInt(
    `0x${/CapEff:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
  )
  const has = (/** @type {bigint} */ capability) => (granted >> capability) % 2n === 1n
  const name = has(2n) ? 'dac_read_search' : has(1n) ? 'dac_override' : ''
  return name && has(8n)
    ? [`--inh-caps=+${name}`, `--ambient-caps=+${name}`, '--securebits=+no_setuid_fixup']
    : []
}

/**
 * Stops a server that a killed run left in this data folder and removes its pid file, even if its pid belongs to someone else by now.
 * @param {string} data
 * @returns {Promise<boolean>} whether there was one
 */
async function clearPidFile(data) {
  const pid = pidInFile(data)
  if (pid === undefined) return false
  const command = existsSync(`/proc/${pid}/cmdline`)
    ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    : []
  if (command.includes(data)) await stopProcess(pid, 'SIGINT')
  rmSync(join(data, 'postmaster.pid'), { force: true })
  return true
}

/** @param {string} data */
function pidInFile(data) {
  const path = join(data, 'postmaster.pid')
  return existsSync(path) ? Number.parseInt(readFileSync(path, 'utf8'), 10) : undefined
}

/**
 * Whether the server asks for a password (R) rather than saying that it is still starting (E).
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function acceptsLogins(port) {
  const text = Buffer.from('user\0postgres\0database\0postgres\0\0')
  const head = Buffer.alloc(8)
  head.writeInt32BE(text.length + 8, 0)
  head.writeInt32BE(196_608, 4)
  return greets(port, (answer) => answer.startsWith('R'), Buffer.concat([head, text]))
}

/**
 * Whether what listens on a port of 127.0.0.1 answers as expected.
 * @param {number} port
 * @param {(answer: string) => boolean} expected
 * @param {Buffer | string} [question]
 * @returns {Promise<boolean>}
 */
export function greets(port, expected, question) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (/** @type {boolean} */ yes) => {
      socket.destroy()
      resolve(yes)
    }
    socket.setTimeout(1000, () => done(false))
    socket.once('error', () => done(false))
    socket.once('close', () => done(false))
    socket.once('data', (answer) => done(expected(answer.toString('latin1'))))
    if (question) socket.write(question)
  })
}
