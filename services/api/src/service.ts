import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { open, peers } from './context.ts'
import { migrations } from './db/migrations.ts'
import { routes } from './http/index.ts'
import { dropEveryMs, dropOldKeys } from './jobs/drop-old-keys.ts'
import { serveApi } from './server.ts'
import { times } from './times.ts'

export const apiService = defineService({
  name: 'api',
  config,
  migrations,
  peers,
  times,
  open,
  jobs: { 'drop-old-keys': [dropEveryMs, dropOldKeys] },
  http: (ctx) => serveApi(ctx, routes),
})
