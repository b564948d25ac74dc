import { type BaseOverrides, createSecrets, type ServiceContext } from '@lockstep/service'
import { createTokens, type Tokens } from '@lockstep/whatsapp'
import { type Apps, watchApps } from './apps.ts'
import { type Claims, openClaims } from './claims.ts'
import type { Config } from './config.ts'
import { appsWithoutEffect } from './db/claims.ts'
import { type Numbers, openNumbers } from './numbers.ts'

export const peers = ['accounts'] as const
type Base = ServiceContext<Config, (typeof peers)[number]>

interface Own {
  tokens: Tokens
  apps: Apps
  claims: Claims
  numbers: Numbers
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

export function open(base: Base, stack: AsyncDisposableStack, overrides: BaseOverrides): Own {
  const { config } = base
  const claims = stack.use(openClaims(base))
  const numbers = stack.use(openNumbers(base))
  const secrets = createSecrets(config.encryptionKey)
  const apps = stack.use(watchApps({ ...base, secrets, onGained: claims.claim }))
  doubtAppsWithoutEffect(base, apps)
  return { tokens: overrides.tokens ?? createTokens(config.platformKey), apps, claims, numbers }
}

/** Apps with parts that nobody has claimed are read anew before they are used. */
function doubtAppsWithoutEffect({ db, log }: Base, apps: Apps): void {
  db.system(appsWithoutEffect).then(
    (appIds) => {
      for (const appId of appIds) apps.doubt(appId)
    },
    (err) =>
      log.warn(
        { err },
        'whether parts are left to be claimed is not known; their apps are read when they are used',
      ),
  )
}
