import { createSecrets, type Secrets, type ServiceContext } from '@lockstep/service'
import { createGraphClient, type GraphClient } from '@lockstep/whatsapp'
import type { Config } from './config.ts'
import { createPasswords, type Passwords } from './people/passwords.ts'
import type { times } from './times.ts'
import { measureTokens } from './token-figures.ts'

interface Own {
  secrets: Secrets
  graph: GraphClient
  passwords: Passwords
}

type Base = ServiceContext<Config, never, typeof times>

/** What the endpoints of this service may use. */
export type Context = Base & Own

export function open(base: Base, stack: AsyncDisposableStack): Own {
  const { config } = base
  stack.use(measureTokens(base))
  const graph = stack.use(
    createGraphClient({ baseUrl: config.graphUrl, version: config.graphVersion }),
  )
  return { secrets: createSecrets(config.encryptionKey), graph, passwords: createPasswords() }
}
