import { createSecrets, measureSealed, type Secrets, type ServiceContext } from '@lockstep/service'
import type { Config } from './config.ts'
import type { AddressRules } from './posting/connector.ts'
import { openPoster, type Poster } from './posting/poster.ts'
import type { times } from './times.ts'

type Base = ServiceContext<Config, never, typeof times>

interface Own {
  secrets: Secrets
  poster: Poster
  addressRules: AddressRules
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

export function open(base: Base, stack: AsyncDisposableStack): Own {
  const { config, times } = base
  stack.use(measureSealed(base))
  const addressRules = { allowLocal: config.webhooksAllowLocal }
  const poster = stack.use(openPoster(addressRules, times.postTimeoutMs))
  return { secrets: createSecrets(config.encryptionKey), poster, addressRules }
}
