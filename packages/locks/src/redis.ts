import { createHash } from 'node:crypto'
import { counter } from '@lockstep/telemetry'
import { Command, Redis } from 'ioredis'

export type { Redis } from 'ioredis'

/** Tells the log what went wrong and went on; `fields` holds ids, never secrets. */
export type Warn = (message: string, fields: Record<string, unknown>) => void

export interface RedisOptions {
  /** Multiplies every time, for tests. */
  scale?: number
  onWarn?: Warn
}

const connectionErrors = counter(
  'lockstep_redis_errors_total',
  'Errors of the connection to Redis; it is opened again for ever',
)

/** The floor keeps scaled-down tests from failing on a busy machine. */
export const commandTimeoutMs = (scale: number): number => Math.max(400, 2_000 * scale)

/**
 * Opens the one connection to Redis of a process (`redis://` or `rediss://`); returns before it is established.
 *
 * A command fails at once while there is no connection and is never sent twice: what a lost reply means is for its caller to
 * know. A socket that owes an answer for `commandTimeoutMs` is half-open: it is closed, and a new one opened, for ever.
 */
export function openRedis(url: string, { scale = 1, onWarn }: RedisOptions = {}): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0, // commands in flight fail with their connection
    connectTimeout: commandTimeoutMs(scale),
    keepAlive: 5_000,
    maxLoadingRetryTime: 500,
    retryStrategy: (times) =>
      (Math.min(1_000, 25 * 2 ** Math.min(times, 6)) + Math.random() * 50) * scale,
    reconnectOnError: (error) => error.message.startsWith('READONLY'), // a primary that became a replica
  })
  redis.on('connect', () => {
    sendTogether(redis.stream)
    endWhenSilent(redis, commandTimeoutMs(scale))
  })
  redis.setMaxListeners(0) // everyone who waits for the connection listens to `ready`
  redis.on('error', (error) => {
    connectionErrors(1)
    onWarn?.('The connection to Redis failed; it is opened again', { error: error.message })
  })
  return redis
}

/** One system call for all that is written in one turn of the event loop. */
function sendTogether(socket: Redis['stream']): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  const end = socket.end.bind(socket) as (...args: unknown[]) => typeof socket
  let text = ''
  const flush = () => {
    const all = text
    text = ''
    if (all !== '') write(all)
  }
  socket.write = (...args: unknown[]) => {
    if (args.length === 1 && typeof args[0] === 'string') {
      if (text === '') process.nextTick(flush)
      text += args[0]
      return !socket.writableNeedDrain
    }
    flush()
    return write(...args)
  }
  socket.end = (...args: unknown[]) => {
    flush()
    return end(...args)
  }
}

/** Destroys a socket that owes answers and has given none for about `boundMs`. */
function endWhenSilent(redis: Redis, boundMs: number): void {
  const socket = redis.stream
  const unanswered = () =>
    (redis as unknown as { commandQueue: { length: number } }).commandQueue.length // it is replaced at times
  let heardAt = 0
  let owedSince: number | undefined
  socket.on('data', () => {
    heardAt = performance.now()
  })
  const look = setInterval(() => {
    const now = performance.now()
    owedSince = unanswered() > 0 ? (owedSince ?? now) : undefined
    if (owedSince !== undefined && now - Math.max(heardAt, owedSince) >= boundMs)
      socket.destroy(new Error(`Redis has not answered for ${boundMs} ms`))
  }, boundMs / 4).unref()
  socket.once('close', () => clearInterval(look))
}

/** Resolves when commands can be sent; rejects when that takes longer than `withinMs`. */
export function untilReady(redis: Redis, withinMs: number): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(
    () => reject(new Error(`Redis was not reached within ${Math.round(withinMs)} ms`)),
    withinMs,
  ).unref()
  redis.once('ready', resolve)
  return promise.finally(() => {
    clearTimeout(timer)
    redis.off('ready', resolve)
  })
}

export type Script = (
  redis: Redis,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>

/** A Lua script that is sent as its digest, and in full to a server that does not know it yet. */
export function script(lua: string): Script {
  const digest = createHash('sha1').update(lua).digest('hex')
  return (redis, keys, args) =>
    send(redis, 'evalsha', [digest, keys.length, ...keys, ...args]).catch((error) => {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return send(redis, 'eval', [lua, keys.length, ...keys, ...args])
    })
}

/** As a method of the client would, without its look at what it may have been called with. */
function send(redis: Redis, name: string, args: (string | number)[]): Promise<unknown> {
  const command = new Command(name, args, { replyEncoding: 'utf8' })
  redis.sendCommand(command)
  return command.promise
}

interface Waiting<Q, A> {
  questions: Q[]
  answers: PromiseWithResolvers<A>[]
}

/** Collects the questions of one turn; `fits` says how many, from one on, go together. */
export function inOneTurn<Q, A>(
  fits: (questions: readonly Q[], from: number) => number,
  ask: (questions: Q[]) => Promise<A[]>,
) {
  let waiting: Waiting<Q, A> | undefined

  function askAll({ questions, answers }: Waiting<Q, A>): void {
    waiting = undefined
    for (let from = 0, to = 0; from < questions.length; from = to) {
      to = from + fits(questions, from)
      const theirs = answers.slice(from, to)
      ask(questions.slice(from, to)).then(
        (given) => {
          for (const [i, { resolve }] of theirs.entries()) resolve(given[i] as A)
        },
        (error) => {
          for (const { reject } of theirs) reject(error)
        },
      )
    }
  }

  return (question: Q): Promise<A> => {
    if (!waiting) {
      waiting = { questions: [], answers: [] }
      process.nextTick(askAll, waiting)
    }
    const answer = Promise.withResolvers<A>()
    waiting.questions.push(question)
    waiting.answers.push(answer)
    return answer.promise
  }
}
