import { AppError, events, shares } from '@lockstep/contracts'
import type { BaseContext } from '@lockstep/service'
import { gauge } from '@lockstep/telemetry'
import type { App } from './app.ts'
import { type AppReader, maxReads, openAppReader, type ReaderNeeds } from './app-reader.ts'

/** Meta's apps as `accounts` has them, kept in memory while they are used. */
export interface AppCache
  extends AsyncDisposable,
    Pick<AppReader, 'use' | 'peek' | 'read' | 'refreshSoon'> {
  /**
   * The app, or undefined when `accounts` has none of this id. Throws `busy` while that can't be
   * known. A look-up of an app that is not in memory counts against its address.
   */
  find(appId: string, address: string): Promise<App | undefined>
}

/** Look-ups of apps that are not in memory, in a second, of all addresses together. */
const maxLookUps = 400

export function openAppCache(needs: ReaderNeeds & Pick<BaseContext, 'messaging'>): AppCache {
  const reader = openAppReader(needs)
  const lookUps = openLookUpLimit()
  const metric = gauge('lockstep_webhook_apps', 'Apps in memory', () => [{ value: reader.size() }])
  const subscription = needs.messaging.subscribeEvent(events.appsChanged, (appId) => {
    if (typeof appId === 'string') reader.markChanged(appId)
  })

  function lookUp(appId: string, address: string): Promise<App | undefined> {
    const running = reader.reading(appId)
    if (running) return running
    if (reader.reads() >= maxReads || !lookUps.allows(address))
      throw new AppError(
        'busy',
        'Too many apps that are not known here are asked for; send the webhook again',
      )
    return reader.read(appId)
  }

  return {
    use: reader.use,
    peek: reader.peek,
    read: reader.read,
    refreshSoon: reader.refreshSoon,
    async find(appId, address) {
      const app = reader.use(appId)
      if (app) return app
      if (reader.isUnknown(appId)) return undefined
      try {
        return await lookUp(appId, address)
      } catch (cause) {
        const message = 'The app is not known at the moment; send the webhook again'
        throw new AppError('busy', message, { cause })
      }
    },
    async [Symbol.asyncDispose]() {
      subscription[Symbol.dispose]()
      metric[Symbol.dispose]()
      await reader[Symbol.asyncDispose]()
    },
  }
}

/** Look-ups of the present second: of each address its share, and of all a bound. */
function openLookUpLimit(): { allows(address: string): boolean } {
  const byAddress = new Map<string, number>()
  let total = 0
  let endsAt = 0
  return {
    allows(address) {
      if (performance.now() >= endsAt) {
        byAddress.clear()
        total = 0
        endsAt = performance.now() + 1_000
      }
      const count = (byAddress.get(address) ?? 0) + 1
      if (count > shares.address_app_lookups.limit || total >= maxLookUps) return false
      byAddress.set(address, count)
      total += 1
      return true
    },
  }
}
