import { AppError, events, shares } from '@lockstep/contracts'
import type { Peers } from '@lockstep/rpc'
import type { BaseContext, Secrets } from '@lockstep/service'
import { gauge } from '@lockstep/telemetry'
import { type App, type Keys, keysGained, openApp } from './app.ts'

/** Meta's apps as `accounts` knows them, one by one. */
export interface Apps extends AsyncDisposable {
  /** The app if it is in memory, for a webhook; what is older than 30 s is read again in the background. */
  use(appId: string): App | undefined
  /**
   * The app, or undefined when `accounts` has none of this id. Throws `busy` while that can't be known. A look-up of an app that is
   * not in memory counts against its address.
   */
  find(appId: string, address: string): Promise<App | undefined>
  /** The app as `accounts` has it now, for an operator. */
  read(appId: string): Promise<App | undefined>
  /** Has the app read soon, by a read that begins after this call: who stored what is nobody's must see whose it has become. */
  doubt(appId: string): void
  /** The app as it is in memory. */
  peek(appId: string): App | undefined
}

interface Needs extends Pick<BaseContext, 'log' | 'messaging' | 'scale'> {
  peers: Peers<'accounts'>
  secrets: Secrets
  /** Hears of numbers and WABAs that an app has and, as far as was known here, had not. */
  onGained(app: App, keys: Keys): void
}

const staleAfterMs = 30_000
const retryAfterMs = 1_000
const doubtEveryMs = 1_000
/** "No such app" is an answer for so long. */
const unknownForMs = 5_000
const readTimeoutMs = 5_000
const maxKnown = 20_000
const maxUnknown = 20_000
/** Calls to `accounts` at the same time: for apps in memory, and for others. */
const maxUnderWay = 64
/** Look-ups of apps that are not in memory, in a second, of all addresses together. */
const maxLookUps = 400

interface Known {
  app: App
  /** When it is to be read again, on the monotonic clock. */
  staleAt: number
}

/** Keeps apps in memory: each is read when it is first asked for, and again when it changes and every 30 s while it is used. */
export function watchApps(needs: Needs): Apps {
  const { log, messaging, scale } = needs
  const known = new Map<string, Known>()
  const unknown = new Map<string, number>()
  const reading = new Map<string, Promise<App | undefined>>()
  const changed = new Set<string>()
  const doubted = new Set<string>()
  const lookUps = countLookUps()
  const measured = gauge('lockstep_webhook_apps', 'Apps in memory', () => [{ value: known.size }])
  const now = () => performance.now()

  async function read(appId: string): Promise<App | undefined> {
    changed.delete(appId)
    const answer = await needs.peers.accounts.getWebhookApp(
      { id: appId },
      { timeoutMs: readTimeoutMs },
    )
    const before = known.get(appId)?.app
    known.delete(appId)
    const app = answer.app && openApp(needs, answer.app, answer, before)
    if (!app) {
      bounded(unknown, maxUnknown).set(appId, now() + unknownForMs * scale)
      return undefined
    }
    unknown.delete(appId)
    // An answer that may lack a change which came meanwhile is stale at once.
    bounded(known, maxKnown).set(appId, {
      app,
      staleAt: changed.has(appId) ? 0 : now() + staleAfterMs * scale,
    })
    const gained = keysGained(before, app)
    if (gained) needs.onGained(app, gained)
    return app
  }

  function readOnce(appId: string): Promise<App | undefined> {
    const underWay = reading.get(appId)
    if (underWay) return underWay
    const started = read(appId).finally(() => {
      reading.delete(appId)
      if (changed.has(appId)) refresh(appId)
    })
    reading.set(appId, started)
    return started
  }

  /** Reads a known app in the background; whoever asks meanwhile has the one before. */
  function refresh(appId: string): void {
    const entry = known.get(appId)
    if (!entry || reading.has(appId) || reading.size >= 2 * maxUnderWay) return
    entry.staleAt = now() + retryAfterMs * scale
    readOnce(appId).catch((err) =>
      log.warn({ err, appId }, 'an app could not be read; it is used as it was'),
    )
  }

  function lookUp(appId: string, address: string): Promise<App | undefined> {
    const underWay = reading.get(appId)
    if (underWay) return underWay
    if (reading.size >= maxUnderWay || !lookUps.allows(address))
      throw new AppError(
        'busy',
        'Too many apps that are not known here are asked for; send the webhook again',
      )
    return readOnce(appId)
  }

  const doubting = setInterval(() => {
    for (const appId of doubted) {
      if (reading.size >= maxUnderWay) return
      if (reading.has(appId)) continue
      doubted.delete(appId)
      readOnce(appId).catch(() => doubted.add(appId))
    }
  }, doubtEveryMs * scale).unref()

  const heard = messaging.subscribeEvent(events.appsChanged, (appId) => {
    if (typeof appId !== 'string') return
    unknown.delete(appId)
    if (reading.has(appId)) changed.add(appId)
    const entry = known.get(appId)
    if (entry) entry.staleAt = 0
    refresh(appId)
  })

  function use(appId: string): App | undefined {
    const entry = known.get(appId)
    if (!entry) return undefined
    known.delete(appId) // the one used last goes last
    known.set(appId, entry)
    if (entry.staleAt <= now()) refresh(appId)
    return entry.app
  }

  return {
    use,
    async find(appId, address) {
      const app = use(appId)
      if (app) return app
      if ((unknown.get(appId) ?? 0) > now()) return undefined
      try {
        return await lookUp(appId, address)
      } catch (cause) {
        throw new AppError('busy', 'The app is not known at the moment; send the webhook again', {
          cause,
        })
      }
    },
    read: readOnce,
    doubt: (appId) => void doubted.add(appId),
    peek: (appId) => known.get(appId)?.app,
    async [Symbol.asyncDispose]() {
      heard[Symbol.dispose]()
      clearInterval(doubting)
      measured[Symbol.dispose]()
      changed.clear()
      await Promise.allSettled(reading.values())
    },
  }
}

/** The map with room for one more: what was used longest ago gives way. */
function bounded<Value>(map: Map<string, Value>, max: number): Map<string, Value> {
  if (map.size >= max) map.delete(map.keys().next().value!)
  return map
}

/** Look-ups of apps that are not in memory, of this second: of each address its share, and of all a bound. */
function countLookUps(): { allows(address: string): boolean } {
  const ofAddress = new Map<string, number>()
  let all = 0
  let endsAt = 0
  return {
    allows(address) {
      if (performance.now() >= endsAt) {
        ofAddress.clear()
        all = 0
        endsAt = performance.now() + 1_000
      }
      const its = (ofAddress.get(address) ?? 0) + 1
      if (its > shares.address_app_lookups.limit || all >= maxLookUps) return false
      ofAddress.set(address, its)
      all += 1
      return true
    },
  }
}
