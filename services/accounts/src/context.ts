import { createSecrets, measureSealed, type Secrets, type ServiceContext } from '@lockstep/service'
import { createGraphClient, type GraphClient } from '@lockstep/whatsapp'
import type { Config } from './config.ts'
import { type Mailer, openMailer } from './mail/mailer.ts'
import { createPasswords, type Passwords } from './people/passwords.ts'
import { openProvider, type Provider } from './provider/provider.ts'
import type { times } from './times.ts'
import { measureTokens } from './token-figures.ts'

interface Own {
  secrets: Secrets
  graph: GraphClient
  passwords: Passwords
  /** Null where no mail server is configured. */
  mailer: Mailer | null
  /** Null where people sign in by password alone. */
  provider: Provider | null
}

type Base = ServiceContext<Config, never, typeof times>

/** What the endpoints of this service may use. */
export type Context = Base & Own

export function open(base: Base, stack: AsyncDisposableStack): Own {
  const { config } = base
  stack.use(measureTokens(base))
  stack.use(measureSealed(base))
  const graph = stack.use(
    createGraphClient({ baseUrl: config.graphUrl, version: config.graphVersion }),
  )
  const secrets = createSecrets(config.encryptionKey)
  const [mailer, provider] = [openMailer(config), openProvider(config)]
  return { secrets, graph, passwords: createPasswords(), mailer, provider }
}
