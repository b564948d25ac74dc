/** A server that runs on this machine, or elsewhere (`pid` 0; `stop` does nothing). */
export interface RunningServer {
  url: string
  port: number
  pid: number
  /** Resolves when the process has ended, for whatever reason. */
  exited: Promise<void>
  /** Stops it in good order, or with the given signal, and resolves when it has ended; SIGKILL follows after 20 s. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export type ServerName = 'postgres' | 'nats' | 'redis'

/** Where the programs of the servers are, and the environment they need. */
export interface LocatedServers {
  postgresBin: string
  natsServer: string
  redisServer: string
  env: Record<string, string>
}

export interface Servers {
  postgres: RunningServer
  nats: RunningServer
  redis: RunningServer
  /** Processes started here. */
  pids: number[]
  /** Starts a server that has ended again, with the same data on the same port. */
  restart(server: ServerName): Promise<RunningServer>
  /** Stops Redis, NATS, then PostgreSQL, and gives the folder free. */
  stop(): Promise<void>
}

/**
 * Finds the programs of PostgreSQL, NATS and Redis; those that this system lacks are fetched into `<root>/.lockstep/servers` without installing anything.
 * Throws an error that says what to install when nothing helps. Paths of servers that were not asked for are ''.
 */
export function locateServers(options: {
  root: string
  which?: ServerName[]
  log?: (line: string) => void
}): Promise<LocatedServers>

/**
 * Starts private servers that keep everything under `dir` and listen on 127.0.0.1 only. A port that is given, or was used last time, is used if it is free.
 * A server named by LOCKSTEP_POSTGRES_URL, LOCKSTEP_NATS_URL or LOCKSTEP_REDIS_URL in `env` is used instead. Refused while another process runs this `dir`.
 * `durable: false` makes PostgreSQL faster and unsafe against power loss: for tests. An aborted `signal` stops what was started so far.
 */
export function startServers(options: {
  dir: string
  root?: string
  which?: ServerName[]
  located?: LocatedServers
  env?: NodeJS.ProcessEnv
  ports?: Partial<Record<ServerName, number>>
  durable?: boolean
  log?: (line: string) => void
  signal?: AbortSignal
}): Promise<Servers>

/** Stops servers that a killed supervisor of `dir` left behind. */
export function stopLeftovers(dir: string): Promise<void>

/** Starts PostgreSQL in `<dir>/postgres`, created the first time; the superuser's password stays in `<dir>/secrets.json`. */
export function startPostgres(options: {
  dir: string
  postgresBin: string
  env?: Record<string, string>
  port?: number
  durable?: boolean
  log?: (line: string) => void
  signal?: AbortSignal
}): Promise<RunningServer>

/** Starts nats-server with JetStream in `<dir>/nats`, on exactly `port` when it is given. It dies with the thread that started it. */
export function startNats(options: {
  dir: string
  natsServer: string
  env?: Record<string, string>
  port?: number
  signal?: AbortSignal
}): Promise<RunningServer>

/** Starts redis-server, which keeps nothing, on exactly `port` when it is given. It dies with the thread that started it. */
export function startRedis(options: {
  dir: string
  redisServer: string
  env?: Record<string, string>
  port?: number
  signal?: AbortSignal
}): Promise<RunningServer>

/**
 * Starts a PgBouncer of 1.21 or newer in transaction mode before the PostgreSQL server of the URL `server`, fetched below
 * `<root>/.lockstep` the first time. `connections` is how many it opens for each role and database, `statements` how many it keeps of each.
 */
export function startPgbouncer(options: {
  root: string
  dir: string
  server: string
  /** Password by role. */
  users: Record<string, string>
  connections?: number
  statements?: number
}): Promise<RunningServer>

/** The wanted port when it is free on loopback, otherwise another one that is. */
export function freePort(wanted?: number): Promise<number>

/** Starts something on the wanted port or another free one; whoever loses a port to another process gets the next, a bounded number of times. */
export function onFreePort<T>(
  wanted: number | undefined,
  start: (port: number) => Promise<T>,
): Promise<T>

/** A command to which the kernel sends `signal` when the thread that started it dies, however that happens. It may get it more than once. */
export function tied(signal: NodeJS.Signals, command: string[]): string[]

/** A lock file that this process holds. */
export interface FileLock {
  release(): void
}

/** Takes a lock file, also one whose holder has died; otherwise names the living holder. */
export function lockFile(path: string): FileLock | { heldBy: number }

/** Takes a lock file as soon as its holder gives it free or dies; names the holder when it still has it after `deadlineMs`. */
export function waitForLock(
  path: string,
  deadlineMs?: number,
): Promise<FileLock | { heldBy: number }>

/** When a process started: with its pid it names one process. Undefined when it does not run. */
export function startTime(pid: number, hasProc?: boolean): string | undefined

/** The last lines of a log since byte `from`, indented; nothing if there is no such file. */
export function tail(path: string, from?: number): string

/** Replaces a JSON file in one step: whoever is killed leaves the old one or the new one. */
export function writeJson(path: string, value: unknown, mode?: number): void
