import { createSecretKey } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, events, secretPlaces } from '@lockstep/contracts'
import type { RpcClient } from '@lockstep/rpc'
import type { AccountsDefinition, AppSecrets } from '@lockstep/rpc/gen/accounts'
import { type BaseContext, every, type Secrets } from '@lockstep/service'
import type { AppSecret } from '@lockstep/whatsapp'

/** A Meta app as the gateway needs it. */
export interface App {
  /** The secrets that may sign its webhooks: the present one, and during a rotation the one before. */
  secrets: AppSecret[]
  verifyToken: string
}

export interface Apps extends AsyncDisposable {
  /** The app, or undefined when `accounts` has none of this id. Throws `busy` while that can't be known. */
  find(appId: string): Promise<App | undefined>
}

interface Needs extends Pick<BaseContext, 'log' | 'messaging' | 'scale'> {
  accounts: RpcClient<AccountsDefinition>
  secrets: Secrets
}

const refreshEveryMs = 30_000
/** Requests for apps that nobody knows cause at most one look at `accounts` in this time. */
const lookAgainAfterMs = 1_000
const readTimeoutMs = 5_000

/** Keeps every app's secrets at hand: read every 30 s, when an app changes, and when an unknown one is asked for. */
export function watchApps(needs: Needs): Apps {
  const { log, messaging, scale } = needs
  let known: Map<string, App> | undefined
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined
  let next: Promise<void> | undefined

  async function read(): Promise<void> {
    readAt = performance.now()
    const { apps } = await needs.accounts.listAppSecrets({}, { timeoutMs: readTimeoutMs })
    known = new Map(apps.flatMap((app) => opened(needs, app, known?.get(app.id))))
  }

  /** A read that begins after this call: one that is under way may have missed what the caller heard of. Calls share it. */
  function readAnew(afterMs = 0): Promise<void> {
    next ??= (async () => {
      await reading?.catch(() => undefined)
      const waitMs = readAt + afterMs - performance.now()
      if (waitMs > 0) await delay(waitMs)
      next = undefined
      reading = read()
      await reading
    })()
    return next
  }

  const timer = every(needs, 'read-app-secrets', refreshEveryMs * scale, () => readAnew())
  const heard = messaging.subscribeEvent(events.appsChanged, () => {
    readAnew().catch((err) => log.warn({ err }, 'app secrets could not be read; the last ones are kept'))
  })

  return {
    async find(appId) {
      if (!known) await reading?.catch(() => undefined) // the first read is under way
      const app = known?.get(appId)
      if (app) return app
      try {
        await readAnew(lookAgainAfterMs * scale)
      } catch (cause) {
        throw new AppError('busy', 'The apps are not known at the moment; send the webhook again', { cause })
      }
      return known?.get(appId)
    },
    async [Symbol.asyncDispose]() {
      heard[Symbol.dispose]()
      await timer[Symbol.asyncDispose]()
    },
  }
}

/** An app whose secrets can't be opened keeps those that could, and never hides its neighbours. */
function opened({ secrets, log }: Needs, app: AppSecrets, before: App | undefined): [string, App][] {
  const place = secretPlaces.app(app.id, app.accountId)
  try {
    const sealed = [app.sealedSecret, app.sealedPreviousSecret].filter((bytes) => bytes.length > 0)
    const keys = sealed.map((bytes) => createSecretKey(secrets.open(bytes, place), 'utf8'))
    return [[app.id, { secrets: keys, verifyToken: secrets.open(app.sealedVerifyToken, place) }]]
  } catch (err) {
    log.error({ err, appId: app.id }, 'the secrets of an app can not be opened')
    return before ? [[app.id, before]] : []
  }
}
