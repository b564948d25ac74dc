import { setTimeout as delay } from 'node:timers/promises'
import { type Liveness, laneSettings } from '@lockstep/contracts'
import type { Logger } from '@lockstep/telemetry'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import { ensureStreams, isRefused } from './streams.ts'

/** The connection and what all parts of this package need of it. */
export interface Link extends AsyncDisposable {
  nc: NatsConnection
  jsm: JetStreamManager
  log: Logger
  /** {@link laneSettings} with every duration but the debounce scaled. */
  settings: Record<keyof typeof laneSettings, number>
  scale: number
  liveness?: Liveness | undefined
  isConnected(): boolean
  /** Calls `fn` after each reconnect, when the streams exist again. */
  onReconnect(fn: () => void): Disposable
  /** Creates the streams that are missing; calls at the same time share one attempt. */
  repairStreams(): Promise<void>
}

export interface LinkOptions {
  /** `nats://[user:password@]host:port`, several separated by commas; `tls://` for TLS. */
  url: string
  /** Shown by the server's monitoring; usually the service's name. */
  name: string
  log: Logger
  /** Copies of each stream: 1, or 3 in a cluster. */
  replicas?: number
  /** Multiplies every time-out and interval; tests make it small. */
  scale?: number
  /** Without it what a dead process held waits for `ack_wait`. */
  liveness?: Liveness
  /** Gives up waiting for the server. */
  signal?: AbortSignal
}

/** Waits for a server that is not there yet until `signal` aborts. */
export async function openLink({
  url,
  name,
  log,
  replicas = 1,
  scale = 1,
  liveness,
  signal,
}: LinkOptions): Promise<Link> {
  await using stack = new AsyncDisposableStack()
  const nc = await insist(log, 'NATS', signal, () => connect(connectionOptions(url, name)))
  stack.defer(() => close(nc))
  const jsm = await jetstreamManager(nc, { checkAPI: false })
  await insist(log, 'JetStream', signal, () => ensureStreams(jsm, replicas))

  let repairing: Promise<void> | undefined
  const repairStreams = () => {
    repairing ??= ensureStreams(jsm, replicas).finally(() => {
      repairing = undefined
    })
    return repairing
  }
  const listeners = new Set<() => void>()
  const watch = watchStatus(nc, log, liveness, async () => {
    await repairStreams().catch((err) =>
      log.warn({ err }, 'streams could not be checked after a reconnect'),
    )
    for (const listener of listeners) listener()
  })
  const closing = stack.move()
  return {
    nc,
    jsm,
    log,
    scale,
    liveness,
    settings: scaled(scale),
    isConnected: () => watch.connected && !nc.isClosed(),
    onReconnect(fn) {
      listeners.add(fn)
      return { [Symbol.dispose]: () => void listeners.delete(fn) }
    },
    repairStreams,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

/** The debounce is no time-out: it stays as it is. */
function scaled(scale: number): Link['settings'] {
  const scales = (name: string) => name.endsWith('Ms') && name !== 'debounceMs'
  const entries = Object.entries(laneSettings).map(([name, value]) => [
    name,
    scales(name) ? value * scale : value,
  ])
  return Object.fromEntries(entries) as Link['settings']
}

export function connectionOptions(url: string, name: string): NodeConnectionOptions {
  const urls = url.split(',').map((part) => new URL(part.trim()))
  const { username, password, protocol } = urls[0]!
  return {
    servers: urls.map((part) => part.host),
    name,
    ...(username && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(protocol === 'tls:' && { tls: {} }),
    maxReconnectAttempts: -1, // the default gives up after ten
    ignoreAuthErrorAbort: true, // a server that restarts with its users not yet loaded is no reason to give up either
    reconnectTimeWait: 250,
    pingInterval: 10_000, // finds a half-open connection within half a minute
    maxPingOut: 2,
    timeout: 5_000,
  }
}

/** Tries until it succeeds, and logs each reason once; throws what the server refuses. */
async function insist<T>(
  log: Logger,
  what: string,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  let reason: string | undefined
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (err) {
      if (isRefused(err)) throw err
      if (reason !== String(err)) log.warn({ err }, `waiting for ${what}`)
      reason = String(err)
    }
    await delay(250, undefined, { signal })
  }
}

function watchStatus(
  nc: NatsConnection,
  log: Logger,
  liveness: Liveness | undefined,
  onReconnect: () => void,
): { connected: boolean } {
  const state = { connected: true }
  const watch = async () => {
    for await (const { type } of nc.status()) {
      if (type === 'disconnect') log.warn('NATS connection lost; reconnecting')
      if (type === 'disconnect' || type === 'close') {
        state.connected = false
        liveness?.disconnected()
      }
      if (type !== 'reconnect') continue
      state.connected = true
      log.info('NATS connection is back')
      onReconnect()
    }
  }
  void watch()
  return state
}

/** Sends what is still to be sent, but does not wait for a server that is away. */
async function close(nc: NatsConnection): Promise<void> {
  if (nc.isClosed()) return
  await Promise.race([nc.drain(), delay(2_000, undefined, { ref: false })]).catch(() => undefined)
  await nc.close()
}
