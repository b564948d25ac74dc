import { execFile, execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Folders that hold servers but are often missing from an ordinary user's PATH. */
const SBIN = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin']
const MAX_LOG_BYTES = 10_000_000

/**
 * The path of a program on PATH or in the usual folders of servers, if there is one.
 * @param {string} name
 * @returns {string | undefined}
 */
export function onPath(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SBIN]
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find(isFile)
}

/** @param {string} path */
function isFile(path) {
  return existsSync(path) && statSync(path).isFile()
}

/**
 * A command to which the kernel sends `signal` when the thread that started it dies, however that happens. It may get it more than once.
 * @param {NodeJS.Signals} signal
 * @param {string[]} command
 * @param {string[]} [privileges] more arguments for setpriv, e.g. another user
 */
export function tied(signal, command, privileges = []) {
  const setpriv = onPath('setpriv')
  return setpriv ? [setpriv, '--pdeathsig', signal.slice(3), ...privileges, ...command] : command
}

/**
 * Runs a program to its end and returns what it printed; throws with the tail of its stderr unless it exits with 0.
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').ExecFileOptions} [options]
 * @returns {Promise<string>}
 */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const [command = program, ...rest] = tied('SIGTERM', [program, ...args])
    const child = execFile(
      command,
      rest,
      { maxBuffer: 64_000_000, ...options, encoding: 'utf8' },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout)
        reject(
          new Error(
            `${[program, ...args].join(' ').slice(0, 120)} failed:\n${lastLines(stderr || stdout || error.message)}`,
            {
              cause: error,
            },
          ),
        )
      },
    )
    child.stdin?.end()
  })
}

/**
 * When a process started: with its pid it names one process, even after the pid is reused.
 * @param {number} pid
 * @param {boolean} hasProc whether this system tells it in /proc, as Linux does
 * @returns {string | undefined} undefined when no such process runs
 */
export function startTime(pid, hasProc = existsSync('/proc/self/stat')) {
  try {
    if (!hasProc) {
      const [state = '', ...began] = execFileSync(
        'ps',
        ['-o', 'stat=,lstart=', '-p', String(pid)],
        { encoding: 'utf8' },
      )
        .trim()
        .split(/\s+/)
      return state.startsWith('Z') ? undefined : began.join(' ')
    }
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/**
 * The given port if it is free on 127.0.0.1, otherwise a free one. Free ones come from below the kernel's ephemeral range:
 * an outgoing connection never takes them while their server is being restarted.
 * @param {number} [wanted]
 */
export async function freePort(wanted) {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = tries === 0 && wanted ? wanted : 20_000 + Math.floor(Math.random() * 12_000)
    if (await isFree(port)) return port
  }
  throw new Error('No free port was found between 20000 and 32000 on 127.0.0.1.')
}

/**
 * Starts something on the given port or another free one. Two that start at once may choose the same: whoever comes second plans anew.
 * @template T
 * @param {number | undefined} wanted
 * @param {(port: number) => Promise<T>} start
 * @returns {Promise<T>}
 */
export async function onFreePort(wanted, start) {
  for (let left = 3; ; left -= 1) {
    const port = await freePort(wanted)
    try {
      return await start(port)
    } catch (error) {
      if (left === 0 || (await isFree(port))) throw error
    }
  }
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () =>
      server.close(() => resolve(true)),
    )
  })
}

/**
 * Stops a process that may not be our child: `signal`, then SIGKILL when it is still there after `deadlineMs`.
 * @param {number} pid
 * @param {NodeJS.Signals} signal
 * @param {number} [deadlineMs]
 */
export async function stopProcess(pid, signal, deadlineMs = 20_000) {
  const born = startTime(pid)
  const gone = () => born === undefined || startTime(pid) !== born
  const until = Date.now() + deadlineMs
  kill(pid, signal)
  while (!gone() && Date.now() < until) await sleep(5)
  if (!gone()) kill(pid, 'SIGKILL')
  while (!gone()) await sleep(5)
}

/** @param {number} pid @param {NodeJS.Signals} signal */
function kill(pid, signal) {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error // ESRCH: it has just ended by itself
  }
}

/**
 * Starts a server in a process group of its own, so that Ctrl-C reaches only its supervisor, and waits until `ready` says yes.
 * The kernel sends it `stopSignal` when the thread that started it dies, however that happens: a killed supervisor leaves no server behind.
 * @param {object} what
 * @param {string} what.name as in messages: 'PostgreSQL'
 * @param {string} what.program
 * @param {string[]} what.args
 * @param {string[]} [what.privileges] arguments for setpriv, e.g. another user
 * @param {NodeJS.ProcessEnv} [what.env]
 * @param {string} what.logFile
 * @param {NodeJS.Signals} what.stopSignal
 * @param {(pid: number) => Promise<boolean>} what.ready must recognize this very process: another server may sit on its port
 * @param {number} [what.deadlineMs]
 * @param {AbortSignal} [what.signal] stops what has not got ready yet
 * @returns {Promise<{ pid: number, exited: Promise<void>, stop: (signal?: NodeJS.Signals) => Promise<void> }>}
 */
export async function launch({
  name,
  program,
  args,
  privileges = [],
  env,
  logFile,
  stopSignal,
  ready,
  deadlineMs = 30_000,
  signal,
}) {
  signal?.throwIfAborted()
  const log = openLog(logFile)
  const [command = program, ...rest] = tied(stopSignal, [program, ...args], privileges)
  const child = spawn(command, rest, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, ...env },
  })
  closeSync(log.fd)
  const { end, exited, stop } = watchChild(child, stopSignal)
  const until = Date.now() + deadlineMs
  while (!end.reached && !(child.pid && (await ready(child.pid)))) {
    if (signal?.aborted) {
      await stop()
      throw signal.reason
    }
    if (Date.now() > until) {
      await stop('SIGKILL')
      throw new Error(
        `${name} did not get ready within ${deadlineMs / 1000} s. The end of ${logFile}:\n${tail(logFile, log.start)}`,
      )
    }
    await sleep(3)
  }
  if (end.reached)
    throw new Error(
      `${name} did not start. ${end.failure?.message ?? `The end of ${logFile}:\n${tail(logFile, log.start)}`}`,
    )
  child.unref()
  return { pid: child.pid ?? 0, exited, stop }
}

/**
 * Opens a log for appending, or anew if it has grown too long; `start` is where what comes begins.
 * @param {string} logFile
 */
function openLog(logFile) {
  const tooLong = existsSync(logFile) && statSync(logFile).size > MAX_LOG_BYTES
  const fd = openSync(logFile, tooLong ? 'w' : 'a')
  return { fd, start: fstatSync(fd).size }
}

/**
 * Notes the end of a child, and with what it failed if it could not be started.
 * @param {import('node:child_process').ChildProcess} child
 * @param {NodeJS.Signals} stopSignal
 */
function watchChild(child, stopSignal) {
  /** @type {{ reached: boolean, failure?: Error }} */
  const end = { reached: false }
  const exited = new Promise((/** @type {(value: void) => void} */ resolve) => {
    child.once('error', (error) => {
      end.failure = error
      end.reached = true
      resolve()
    })
    child.once('exit', () => {
      end.reached = true
      resolve()
    })
  })
  const stop = async (/** @type {NodeJS.Signals} */ signal = stopSignal) => {
    child.ref()
    if (!end.reached && child.pid) await stopProcess(child.pid, signal)
    await exited
    child.unref()
  }
  return { end, exited, stop }
}

/**
 * The last lines of a log, or of what it got since byte `from`.
 * @param {string} path
 * @param {number} [from] bytes
 */
export function tail(path, from = 0) {
  return existsSync(path) ? lastLines(readFileSync(path).subarray(from).toString('utf8')) : ''
}

/** @param {string} text */
function lastLines(text) {
  return text
    .trimEnd()
    .split('\n')
    .slice(-12)
    .map((line) => `  ${line}`)
    .join('\n')
}
