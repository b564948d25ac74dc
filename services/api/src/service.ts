import { type BaseOverrides, every, openDoors, type Started, started } from '@lockstep/service'
import type { Config } from './config.ts'
import { createContext } from './context.ts'
import { routes } from './http/index.ts'
import { dropEveryMs, dropOldKeys } from './jobs/drop-old-keys.ts'
import { serveApi } from './server.ts'

/** Starts the service: its timer, the operator's doors, and at last the public one, which is the first to close. */
export async function start(config: Config, overrides?: BaseOverrides): Promise<Started & { httpPort: number }> {
  await using up = new AsyncDisposableStack()
  const ctx = up.use(await createContext(config, overrides))
  up.use(every(ctx, 'drop-old-keys', dropEveryMs * ctx.scale, dropOldKeys))
  const doors = up.use(await openDoors(ctx, []))
  const http = up.use(await serveApi(ctx, routes))
  return started({ ...doors, httpPort: http.port }, up)
}
