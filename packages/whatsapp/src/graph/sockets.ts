import { AppError } from '@lockstep/contracts'
import { Client, type Dispatcher } from 'undici'
import { causeOf } from './exchange.ts'

/** An open connection to Graph, nobody else's until it is released. */
export interface Socket {
  readonly dispatcher: Dispatcher
  /** Gives it back; a second call changes nothing. */
  release(): void
}

export interface Sockets extends AsyncDisposable {
  /**
   * An idle connection, or a new one. Waits in order while as many as may be open are in use;
   * throws `busy` when none can be opened in time, or `signal` aborts.
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

/** HTTP/1.1 connections, each for one request at a time. Disposing lets running requests end. */
export function createSockets(options: SocketOptions): Sockets {
  return new SocketPool(options)
}

interface PooledClient {
  client: Client
  isOpen: boolean
}

interface Waiter {
  resolve(): void
  reject(error: AppError): void
}

class SocketPool implements Sockets {
  readonly #options: SocketOptions
  readonly #all = new Set<PooledClient>()
  readonly #idle: PooledClient[] = []
  readonly #waiters: Waiter[] = []
  #used = 0
  #isClosed = false

  constructor(options: SocketOptions) {
    this.#options = options
  }

  async open(signal?: AbortSignal): Promise<Socket> {
    if (signal?.aborted || this.#isClosed) throw notOpened('it was cancelled')
    await this.#waitForPlace(signal)
    const pooled = this.#idle.pop() ?? this.#create()
    let isReleased = false
    const socket: Socket = {
      dispatcher: pooled.client,
      release: () => {
        if (!isReleased) this.#release(pooled)
        isReleased = true
      },
    }
    if (pooled.isOpen) return socket
    try {
      await connect(pooled.client)
      return socket
    } catch (cause) {
      socket.release()
      throw cause
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const { reject } of this.#waiters.splice(0)) reject(notOpened('it was cancelled'))
    await Promise.all([...this.#all].map(({ client }) => client.close()))
  }

  /** Waits for a place among those that may be open; one that is released is the first waiter's. */
  async #waitForPlace(signal: AbortSignal | undefined): Promise<void> {
    if (this.#used < this.#options.max) {
      this.#used += 1
      return
    }
    const { promise, ...waiter } = Promise.withResolvers<void>()
    const leave = () => {
      const at = this.#waiters.indexOf(waiter)
      if (at < 0) return // it has its place already
      this.#waiters.splice(at, 1)
      waiter.reject(notOpened('no connection was free in time'))
    }
    this.#waiters.push(waiter)
    signal?.addEventListener('abort', leave, { once: true })
    await promise
    signal?.removeEventListener('abort', leave)
  }

  #create(): PooledClient {
    const { connectTimeoutMs, keepAliveTimeoutMs, origin } = this.#options
    const client = new Client(origin, {
      pipelining: 1,
      // `exchange` knows what was written by HTTP/1.1's rules; HTTP/2 may send a refused stream
      // again by itself.
      allowH2: false,
      connectTimeout: connectTimeoutMs,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveTimeoutMs,
      // A server's hint never makes it longer.
      keepAliveMaxTimeout: keepAliveTimeoutMs,
    })
    const pooled: PooledClient = { client, isOpen: false }
    client.on('connect', () => {
      pooled.isOpen = true
    })
    client.on('disconnect', () => {
      pooled.isOpen = false
      const at = this.#idle.indexOf(pooled)
      if (at >= 0) this.#idle.splice(at, 1)
      if (at >= 0) this.#discard(pooled)
    })
    this.#all.add(pooled)
    return pooled
  }

  #release(pooled: PooledClient): void {
    if (this.#isClosed) return
    if (pooled.isOpen) this.#idle.push(pooled)
    else this.#discard(pooled)
    const next = this.#waiters.shift()
    if (next) next.resolve()
    else this.#used -= 1
  }

  #discard(pooled: PooledClient): void {
    this.#all.delete(pooled)
    pooled.client.destroy().catch(() => {})
  }
}

const notOpened = (why: string) => new AppError('busy', `Meta was not reached: ${why}`)

/**
 * Opens a client's connection: a request that is refused as it begins leaves the connection open,
 * and nothing is written.
 */
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
          reject(notOpened(`the connection failed (${causeOf(error)})`)),
      },
    )
  })
}
