import { createSecrets, type Secrets, type ServiceContext } from '@lockstep/service'
import { createGraphClient, type GraphClient } from '@lockstep/whatsapp'
import type { Config } from './config.ts'

interface Own {
  secrets: Secrets
  graph: GraphClient
}

/** What the endpoints of this service may use. */
export type Context = ServiceContext<Config> & Own

export function open({ config }: ServiceContext<Config>, stack: AsyncDisposableStack): Own {
  const graph = stack.use(
    createGraphClient({ baseUrl: config.graphUrl, version: config.graphVersion }),
  )
  return { secrets: createSecrets(config.encryptionKey), graph }
}
