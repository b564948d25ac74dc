import { type BaseOverrides, createSecrets, type ServiceContext } from '@lockstep/service'
import { createTokens, type Tokens } from '@lockstep/whatsapp'
import { type AppCache, openAppCache } from './apps/app-cache.ts'
import { type NumberCache, openNumberCache } from './apps/number-cache.ts'
import type { Config } from './config.ts'
import { appsToAdopt } from './db/adopt.ts'
import { type AdoptionQueue, openAdoptionQueue } from './parts/adoption-queue.ts'
import type { times } from './times.ts'

export const peers = ['accounts'] as const
type Base = ServiceContext<Config, (typeof peers)[number], typeof times>

interface Own {
  tokens: Tokens
  apps: AppCache
  adoptions: AdoptionQueue
  numbers: NumberCache
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

export function open(base: Base, stack: AsyncDisposableStack, overrides: BaseOverrides): Own {
  const { config } = base
  const adoptions = stack.use(openAdoptionQueue(base))
  const numbers = stack.use(openNumberCache(base))
  const secrets = createSecrets(config.encryptionKey)
  const apps = stack.use(openAppCache({ ...base, secrets, onGained: adoptions.add }))
  refreshAppsToAdopt(base, apps)
  return { tokens: overrides.tokens ?? createTokens(config.platformKey), apps, adoptions, numbers }
}

/**
 * A process that was killed may have stored parts without adopting those that its app has gained
 * since.
 */
function refreshAppsToAdopt({ db, log }: Base, apps: AppCache): void {
  db.system(appsToAdopt).then(
    (appIds) => {
      for (const appId of appIds) apps.refreshSoon(appId)
    },
    (err) => log.warn({ err }, 'whether parts are left to adopt could not be read'),
  )
}
