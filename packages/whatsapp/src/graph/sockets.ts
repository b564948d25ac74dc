import { AppError } from '@lockstep/contracts'
import { Client, type Dispatcher } from 'undici'
import { codeOfError } from './exchange.ts'

/** A connection to Graph that is open, and nobody else's until it is released. */
export interface Socket {
  readonly dispatcher: Dispatcher
  /** Gives it back; a second call changes nothing. */
  release(): void
}

export interface Sockets extends AsyncDisposable {
  /**
   * An open connection, kept from before where there is one. Waits in order while as many as may be open are in use. Throws `busy` with
   * the cause when none can be opened in time, or `signal` aborts.
   */
  open(signal?: AbortSignal): Promise<Socket>
}

export interface SocketOptions {
  origin: string
  /** The most that are open at the same time. */
  max: number
  connectTimeoutMs: number
  /** An idle connection is closed after this. */
  keepAliveTimeoutMs: number
}

interface Kept {
  client: Client
  isOpen: boolean
}

/** HTTP/1.1 connections, each for one request at a time. Disposing lets running requests end. */
export function createSockets(options: SocketOptions): Sockets {
  const idle: Kept[] = []
  const all = new Set<Kept>()
  const waiting: { resolve(): void; reject(error: AppError): void }[] = []
  let used = 0
  let isClosed = false

  function create(): Kept {
    const { connectTimeoutMs, keepAliveTimeoutMs, origin } = options
    const client = new Client(origin, {
      pipelining: 1,
      // `exchange` knows what was written by HTTP/1.1's rules; HTTP/2 may send a refused stream again by itself.
      allowH2: false,
      connectTimeout: connectTimeoutMs,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveTimeoutMs,
      // A server's hint never makes it longer.
      keepAliveMaxTimeout: keepAliveTimeoutMs,
    })
    const kept: Kept = { client, isOpen: false }
    client.on('connect', () => {
      kept.isOpen = true
    })
    client.on('disconnect', () => {
      kept.isOpen = false
      const at = idle.indexOf(kept)
      if (at >= 0) idle.splice(at, 1)
      if (at >= 0) discard(kept)
    })
    all.add(kept)
    return kept
  }

  function discard(kept: Kept): void {
    all.delete(kept)
    kept.client.destroy().catch(() => {})
  }

  function release(kept: Kept): void {
    if (isClosed) return
    if (kept.isOpen) idle.push(kept)
    else discard(kept)
    const next = waiting.shift()
    if (next) next.resolve()
    else used -= 1
  }

  /** Waits for a place among those that may be open: the one that is given back, which nobody else gets meanwhile. */
  async function takePlace(signal: AbortSignal | undefined): Promise<void> {
    if (used < options.max) {
      used += 1
      return
    }
    const { promise, ...turn } = Promise.withResolvers<void>()
    const leave = () => {
      const at = waiting.indexOf(turn)
      if (at < 0) return // it has its place already
      waiting.splice(at, 1)
      turn.reject(notOpened('no connection was free in time'))
    }
    waiting.push(turn)
    signal?.addEventListener('abort', leave, { once: true })
    await promise
    signal?.removeEventListener('abort', leave)
  }

  return {
    async open(signal) {
      if (signal?.aborted || isClosed) throw notOpened('it was cancelled')
      await takePlace(signal)
      const kept = idle.pop() ?? create()
      let isReleased = false
      const socket: Socket = {
        dispatcher: kept.client,
        release() {
          if (!isReleased) release(kept)
          isReleased = true
        },
      }
      if (kept.isOpen) return socket
      try {
        await connect(kept.client)
        return socket
      } catch (cause) {
        socket.release()
        throw cause
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      for (const { reject } of waiting.splice(0)) reject(notOpened('it was cancelled'))
      await Promise.all([...all].map(({ client }) => client.close()))
    },
  }
}

const notOpened = (why: string) => new AppError('busy', `Meta was not reached: ${why}`)

/** Opens a client's connection: a request that is refused as it begins leaves the connection open, and nothing is written. */
function connect(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.dispatch(
      { method: 'GET', path: '/' },
      {
        onRequestStart() {
          resolve()
          throw new Error('Not started: it was only to open the connection')
        },
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd() {},
        onResponseError: (_controller, error) =>
          reject(notOpened(`the connection failed (${codeOfError(error)})`)),
      },
    )
  })
}
