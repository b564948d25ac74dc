import type { Peers } from '@lockstep/rpc'
import type { BaseContext, Secrets } from '@lockstep/service'
import type { times } from '../times.ts'
import { type App, type Keys, keysGained, openApp } from './app.ts'

/** What was read of apps, and the reads under way: one an app at a time. */
export interface AppReader extends AsyncDisposable {
  size(): number
  reading(appId: string): Promise<App | undefined> | undefined
  reads(): number
  /** The app if it is in memory; when it is stale it is read again in the background. */
  use(appId: string): App | undefined
  /** The app as it is in memory. */
  peek(appId: string): App | undefined
  /** Whether `accounts` had no such app a moment ago. */
  isUnknown(appId: string): boolean
  /** The app as `accounts` has it now. */
  read(appId: string): Promise<App | undefined>
  /** Has the app read by a call that begins after this one. */
  refreshSoon(appId: string): void
  /** What is known of the app may be wrong: it is read again. */
  markChanged(appId: string): void
}

export interface ReaderNeeds extends Pick<BaseContext, 'log'> {
  peers: Peers<'accounts'>
  secrets: Secrets
  times: Pick<typeof times, 'appStaleMs' | 'appRetryMs' | 'appRefreshMs' | 'unknownAppMs'>
  /** Called with numbers and WABAs that an app has and, as far as was known here, had not. */
  onGained(app: App, keys: Keys): void
}

const readTimeoutMs = 5_000
const maxKnown = 20_000
const maxUnknown = 20_000
/** Calls to `accounts` at the same time: for apps in memory, and for others. */
export const maxReads = 64

interface State {
  /** Apps, with the time of the monotonic clock at which each is to be read again. */
  known: Map<string, { app: App; staleAt: number }>
  /** Until when an app is taken not to exist. */
  unknown: Map<string, number>
  /** Apps that changed during their read. */
  changed: Set<string>
}

const now = () => performance.now()

export function openAppReader(needs: ReaderNeeds): AppReader {
  const state: State = { known: new Map(), unknown: new Map(), changed: new Set() }
  const { known, unknown, changed } = state
  const { reads, read, refresh } = openReads(needs, state)
  const refreshes = openRefreshes(needs.times.appRefreshMs, reads, read)
  return {
    size: () => known.size,
    reading: (appId) => reads.get(appId),
    reads: () => reads.size,
    use(appId) {
      const entry = moveToEnd(known, appId)
      if (entry && entry.staleAt <= now()) refresh(appId)
      return entry?.app
    },
    peek: (appId) => known.get(appId)?.app,
    isUnknown: (appId) => (unknown.get(appId) ?? 0) > now(),
    read,
    refreshSoon: refreshes.add,
    markChanged(appId) {
      unknown.delete(appId)
      if (reads.has(appId)) changed.add(appId)
      const entry = known.get(appId)
      if (entry) entry.staleAt = 0
      refresh(appId)
    },
    async [Symbol.asyncDispose]() {
      refreshes[Symbol.dispose]()
      changed.clear()
      await Promise.allSettled(reads.values())
    },
  }
}

/** Reads under way; one that ends begins again if the app changed meanwhile. */
function openReads(needs: ReaderNeeds, state: State) {
  const { log, times } = needs
  const reads = new Map<string, Promise<App | undefined>>()

  function read(appId: string): Promise<App | undefined> {
    const running = reads.get(appId)
    if (running) return running
    const started = readApp(needs, state, appId).finally(() => {
      reads.delete(appId)
      if (state.changed.has(appId)) refresh(appId)
    })
    reads.set(appId, started)
    return started
  }

  /** Reads a known app in the background; meanwhile it is used as it was. */
  function refresh(appId: string): void {
    const entry = state.known.get(appId)
    if (!entry || reads.has(appId) || reads.size >= 2 * maxReads) return
    entry.staleAt = now() + times.appRetryMs
    read(appId).catch((err) =>
      log.warn({ err, appId }, 'an app could not be read; it is used as it was'),
    )
  }

  return { reads, read, refresh }
}

async function readApp(
  needs: ReaderNeeds,
  { known, unknown, changed }: State,
  appId: string,
): Promise<App | undefined> {
  const { peers, times } = needs
  changed.delete(appId)
  const answer = await peers.accounts.getWebhookApp({ id: appId }, { timeoutMs: readTimeoutMs })
  const before = known.get(appId)?.app
  known.delete(appId)
  const app = answer.app && openApp(needs, answer.app, answer, before)
  if (!app) {
    withRoom(unknown, maxUnknown).set(appId, now() + times.unknownAppMs)
    return undefined
  }
  unknown.delete(appId)
  // An answer that may lack a change which came meanwhile is stale at once.
  const staleAt = changed.has(appId) ? 0 : now() + times.appStaleMs
  withRoom(known, maxKnown).set(appId, { app, staleAt })
  const gained = keysGained(before, app)
  if (gained) needs.onGained(app, gained)
  return app
}

/** The value of a key, which counts as used last. */
function moveToEnd<Value>(map: Map<string, Value>, key: string): Value | undefined {
  const value = map.get(key)
  if (value === undefined) return undefined
  map.delete(key)
  map.set(key, value)
  return value
}

/** The map with room for one more: what was used longest ago is dropped. */
function withRoom<Value>(map: Map<string, Value>, max: number): Map<string, Value> {
  if (map.size >= max) map.delete(map.keys().next().value!)
  return map
}

/**
 * Reads apps every so often until each was read; one that is being read waits for its next read.
 */
function openRefreshes(
  everyMs: number,
  reads: ReadonlyMap<string, unknown>,
  read: (appId: string) => Promise<unknown>,
): { add(appId: string): void } & Disposable {
  const appIds = new Set<string>()
  const timer = setInterval(() => {
    for (const appId of appIds) {
      if (reads.size >= maxReads) return
      if (reads.has(appId)) continue
      appIds.delete(appId)
      read(appId).catch(() => appIds.add(appId))
    }
  }, everyMs).unref()
  return {
    add: (appId) => void appIds.add(appId),
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
