import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lockFile, readJson, waitForLock, writeJson } from './files.js'
import { locateServers } from './locate.js'
import { startPgbouncer } from './pgbouncer.js'
import { greets, startPostgres } from './postgres.js'
import { freePort, launch, onFreePort, startTime, stopProcess, tail, tied } from './process.js'

export {
  freePort,
  locateServers,
  lockFile,
  onFreePort,
  startPgbouncer,
  startPostgres,
  startTime,
  tail,
  tied,
  waitForLock,
  writeJson,
}

/** @typedef {import('./servers.js').RunningServer} RunningServer */

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
/** The order in which servers start; they stop in the opposite one. */
const order = /** @type {const} */ (['postgres', 'nats', 'redis'])
const urlVariables = {
  postgres: 'LOCKSTEP_POSTGRES_URL',
  nats: 'LOCKSTEP_NATS_URL',
  redis: 'LOCKSTEP_REDIS_URL',
}

/** @type {typeof import('./servers.js').startNats} */
export async function startNats({ dir, natsServer, env, port, signal }) {
  mkdirSync(dir, { recursive: true })
  return onSomePort(port, async (chosen) => {
    const config = join(dir, 'nats.conf')
    const store = JSON.stringify(join(dir, 'nats'))
    const name = randomUUID()
    const lines = [
      `server_name: "${name}"`,
      'host: "127.0.0.1"',
      `port: ${chosen}`,
      'max_payload: 8MB',
      `jetstream { store_dir: ${store} }`,
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    const server = await launch({
      name: 'NATS',
      program: natsServer,
      args: ['-c', config],
      env,
      logFile: join(dir, 'nats.log'),
      stopSignal: 'SIGTERM',
      ready: () => greets(chosen, (answer) => answer.startsWith('INFO ') && answer.includes(name)),
      signal,
    })
    return { ...server, port: chosen, url: `nats://127.0.0.1:${chosen}` }
  })
}

/** @type {typeof import('./servers.js').startRedis} */
export async function startRedis({ dir, redisServer, env, port, signal }) {
  const data = join(dir, 'redis')
  mkdirSync(data, { recursive: true })
  return onSomePort(port, async (chosen) => {
    const server = await launch({
      name: 'Redis',
      program: redisServer,
      args: [
        '--port',
        String(chosen),
        '--bind',
        '127.0.0.1',
        '--dir',
        data,
        '--appendonly',
        'no',
        '--save',
        '',
        '--daemonize',
        'no',
      ],
      env,
      logFile: join(dir, 'redis.log'),
      stopSignal: 'SIGTERM',
      ready: (pid) =>
        greets(chosen, (answer) => answer.includes(`process_id:${pid}\r`), 'INFO server\r\n'),
      signal,
    })
    return { ...server, port: chosen, url: `redis://127.0.0.1:${chosen}` }
  })
}

/**
 * Starts on exactly the given port, or on any free one.
 * @template T
 * @param {number | undefined} port
 * @param {(port: number) => Promise<T>} start
 * @returns {Promise<T>}
 */
function onSomePort(port, start) {
  return port ? start(port) : onFreePort(undefined, start)
}

/** @type {typeof import('./servers.js').startServers} */
export async function startServers({
  dir: folder,
  root = repository,
  which = [...order],
  located,
  env = process.env,
  ports = {},
  durable,
  log = () => {},
  signal,
}) {
  const dir = resolve(folder)
  mkdirSync(dir, { recursive: true })
  const lock = lockSupervisor(dir)
  /** @type {Record<string, RunningServer>} */
  const running = {}
  const stop = async () => {
    for (const server of [...order].reverse()) await running[server]?.stop()
    writeJson(join(dir, 'pids.json'), {})
    lock.release()
  }
  try {
    await stopLeftovers(dir)
    const own = order.filter((server) => which.includes(server) && !env[urlVariables[server]])
    const programs = located ?? (await locateServers({ root, which: own, log }))
    const remembered = { ...readJson(join(dir, 'ports.json')), ...ports }
    const start = starter({ dir, ...programs, durable, log, signal })
    for (const server of order.filter((name) => which.includes(name))) {
      running[server] = own.includes(server)
        ? await start(server, remembered[server])
        : elsewhere(String(env[urlVariables[server]]))
      record(dir, running)
    }
    const restart = restarter(dir, running, start)
    const pids = own.map((server) => running[server]?.pid ?? 0)
    return /** @type {import('./servers.js').Servers} */ (
      /** @type {unknown} */ ({ ...running, pids, restart, stop })
    )
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * Starts a server on the given port if it is free, otherwise on another.
 * @param {{ dir: string, durable: boolean | undefined, log: (line: string) => void, signal: AbortSignal | undefined } & import('./servers.js').LocatedServers} options
 * @returns {(server: import('./servers.js').ServerName, port: number | undefined) => Promise<RunningServer>}
 */
function starter(options) {
  return (server, port) => {
    if (server === 'postgres') return startPostgres({ ...options, port })
    const start = server === 'nats' ? startNats : startRedis
    return onFreePort(port, (free) => start({ ...options, port: free }))
  }
}

/**
 * One supervisor a folder: throws while another has it.
 * @param {string} dir
 */
function lockSupervisor(dir) {
  const lock = lockFile(join(dir, 'supervisor.lock'))
  if ('heldBy' in lock)
    throw new Error(
      `The servers in ${dir} are already run by process ${lock.heldBy}. Stop it first (kill ${lock.heldBy}), or use its servers.`,
    )
  return lock
}

/**
 * Starts a server that has ended again, on the same port.
 * @param {string} dir
 * @param {Record<string, RunningServer>} running
 * @param {ReturnType<typeof starter>} start
 */
function restarter(dir, running, start) {
  return async (/** @type {import('./servers.js').ServerName} */ server) => {
    const { port } = /** @type {RunningServer} */ (running[server])
    const again = await start(server, port)
    running[server] = again
    record(dir, running)
    if (again.port !== port)
      throw new Error(`${server} can't run again on port ${port}: another process has taken it`)
    return again
  }
}

/**
 * A server that someone else runs: it is used, never stopped.
 * @param {string} url
 * @returns {RunningServer}
 */
function elsewhere(url) {
  return {
    url,
    port: Number(new URL(url).port),
    pid: 0,
    exited: new Promise(() => {}),
    stop: async () => {},
  }
}

/**
 * Remembers ports for the next start, and processes in case this one is killed.
 * @param {string} dir
 * @param {Record<string, RunningServer>} running
 */
function record(dir, running) {
  const own = Object.entries(running).filter(([, server]) => server.pid > 0)
  writeJson(join(dir, 'ports.json'), {
    ...readJson(join(dir, 'ports.json')),
    ...Object.fromEntries(own.map(([name, { port }]) => [name, port])),
  })
  writeJson(
    join(dir, 'pids.json'),
    Object.fromEntries(own.map(([name, { pid }]) => [name, { pid, startTime: startTime(pid) }])),
  )
}

/**
 * Stops servers that a killed supervisor left behind.
 * @param {string} dir
 */
export async function stopLeftovers(dir) {
  const left = readJson(join(dir, 'pids.json')) ?? {}
  for (const server of [...order].reverse()) {
    const { pid, startTime: born } = left[server] ?? {}
    if (pid && born && startTime(pid) === born)
      await stopProcess(pid, server === 'postgres' ? 'SIGINT' : 'SIGTERM')
  }
}
