import { createSecrets, type Secrets, type ServiceContext } from '@lockstep/service'
import { createGraphClient, type GraphClient } from '@lockstep/whatsapp'
import type { Config } from './config.ts'
import type { times } from './times.ts'

export const peers = ['accounts'] as const
type Base = ServiceContext<Config, (typeof peers)[number], typeof times>

interface Own {
  secrets: Secrets
  graph: GraphClient
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

export function open({ config }: Base, stack: AsyncDisposableStack): Own {
  const graph = stack.use(
    createGraphClient({ baseUrl: config.graphUrl, version: config.graphVersion }),
  )
  return { secrets: createSecrets(config.encryptionKey), graph }
}
