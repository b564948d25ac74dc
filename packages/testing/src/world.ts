import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import path from 'node:path'
import { locks, type ServiceName } from '@lockstep/contracts'
import { databaseUrl, schemaOf, withClient } from '@lockstep/database'
import { openRedis } from '@lockstep/locks'
import { type RunningServer, startNats, startRedis } from '@lockstep/servers'
import { inject } from 'vitest'
import { type TestServers, testPassword } from './test-servers.ts'

/** A test may kill it and start it again on the same port with the same data. */
export interface Killable {
  url: string
  pid: number
  /** SIGKILL, as a crash; resolves when the process is gone. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Folder of its data. */
  dir: string
}

/** A database with all services' tables, NATS and Redis; nothing in it is shared. */
export interface World extends AsyncDisposable {
  /** Superuser's URL of the world's database. */
  adminUrl: string
  nats: Killable
  redis: Killable
  encryptionKey: Buffer
  platformKey: Buffer
  /** The URL by which a service's role sees the database. */
  roleUrl(service: ServiceName): string
  /** Runs SQL as superuser, past row-level security. Name tables with their schema. */
  sql<Row = Record<string, unknown>>(text: string, params?: unknown[]): Promise<Row[]>
  /** Closes every connection to the world's database, as a restart of PostgreSQL would. */
  killBackends(): Promise<void>
}

/**
 * Opens a world; disposing it stops its servers, and throws if a lock was left held. Outside of
 * vitest the servers are given.
 */
export async function createWorld(shared: TestServers = inject('servers')): Promise<World> {
  const id = randomBytes(6).toString('hex')
  const dir = path.join(shared.dir, 'worlds', id)
  await using stack = new AsyncDisposableStack()
  await mkdir(dir, { recursive: true })
  stack.defer(() => rm(dir, { recursive: true, force: true }))
  const database = stack.use(await cloneDatabase(shared, `world_${id}`))
  const { adminUrl } = database
  const nats = stack.use(
    await killable(path.join(dir, 'n'), (at) =>
      startNats({ ...at, natsServer: shared.natsServer, env: shared.env }),
    ),
  )
  const redis = stack.use(
    await killable(path.join(dir, 'r'), (at) =>
      startRedis({ ...at, redisServer: shared.redisServer, env: shared.env }),
    ),
  )
  stack.defer(() => assertNoLockHeld(redis.url))
  const opened = stack.move()
  return {
    adminUrl,
    nats,
    redis,
    encryptionKey: randomBytes(32),
    platformKey: randomBytes(32),
    roleUrl: (service) => roleUrl(adminUrl, service),
    sql: (text, params) =>
      withClient(adminUrl, async (client) => (await client.query(text, params)).rows),
    killBackends: database.killBackends,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** A copy of the template; disposing it drops it, whoever is connected. */
async function cloneDatabase({ adminUrl, template }: TestServers, name: string) {
  const asAdmin = (text: string, params: unknown[] = []) =>
    withClient(adminUrl, async (client) => void (await client.query(text, params)))
  await asAdmin(`create database ${name} template ${template}`)
  return {
    adminUrl: databaseUrl(adminUrl, name),
    killBackends: () =>
      asAdmin('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]),
    [Symbol.asyncDispose]: () => asAdmin(`drop database ${name} with (force)`),
  }
}

function roleUrl(adminUrl: string, service: ServiceName): string {
  const url = new URL(adminUrl)
  url.username = schemaOf(service)
  url.password = testPassword
  return url.toString()
}

async function killable(
  dir: string,
  start: (at: { dir: string; port?: number }) => Promise<RunningServer>,
): Promise<Killable & AsyncDisposable> {
  await mkdir(dir, { recursive: true })
  let server = await start({ dir })
  const { url, port } = server
  return {
    url,
    dir,
    get pid() {
      return server.pid
    },
    kill: () => server.stop('SIGKILL'),
    async restart() {
      server = await start({ dir, port })
    },
    async [Symbol.asyncDispose]() {
      await server.stop('SIGKILL')
    },
  }
}

/** A lock that outlives its test was leaked; a release under way is waited for. */
async function assertNoLockHeld(redisUrl: string): Promise<void> {
  const redis = openRedis(redisUrl)
  try {
    if (redis.status !== 'ready')
      await Promise.race([new Promise((ready) => redis.once('ready', ready)), deadline(2_000)])
    if (redis.status !== 'ready') return // the test left Redis down: nothing can be held in it
    const prefixes = Object.values(locks).map((lock) => lock.key(''))
    await until(async () => {
      const held = (await redis.keys('*')).filter((key) =>
        prefixes.some((prefix) => key.startsWith(prefix)),
      )
      if (held.length > 0) throw new Error(`Locks were left held: ${held.join(', ')}`)
      return true
    }, 2_000)
  } finally {
    redis.disconnect()
  }
}

const deadline = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref())

/** The most that a busy machine lengthens a wait, still within a test's limit. */
const longest = { wait: 4, clock: 5 }

/** How many times longer things take: as many as there is more work than processors. */
const slowness = () => Math.min(longest.wait, Math.max(1, loadavg()[0]! / availableParallelism()))

/**
 * Waits until `check` answers something true, and returns it; after `timeoutMs` of waiting, longer
 * on a busy machine, it throws with what `check` threw last as its cause.
 */
export async function until<T>(
  check: () => Promise<T> | T,
  timeoutMs = 15_000,
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const end = performance.now() + longest.clock * timeoutMs
  let waitedMs = 0
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 1.5, 100)) {
    let failure: unknown
    try {
      const value = await check()
      if (value) return value as Exclude<T, false | null | undefined | 0 | ''>
    } catch (error) {
      failure = error
    }
    if (waitedMs >= timeoutMs * slowness() || performance.now() > end)
      throw new Error(
        `Not true after ${timeoutMs} ms: ${failure instanceof Error ? failure.message : check}`,
        { cause: failure },
      )
    await deadline(waitMs)
    waitedMs += waitMs
  }
}
