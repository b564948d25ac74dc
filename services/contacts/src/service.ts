import { bind } from '@lockstep/rpc'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import {
  every,
  feedService,
  forgetEveryMs,
  measureFeed,
  openDoors,
  type Started,
  sideBySide,
  started,
  sweepFeed,
  work,
  workSets,
} from '@lockstep/service'
import type { Config } from './config.ts'
import { createContext, type Overrides } from './context.ts'
import { dropAbandonedUploads, dropEveryMs } from './jobs/drop-abandoned-uploads.ts'
import { forgetConsents, forgetImports } from './jobs/forget-old.ts'
import { importContacts } from './lanes/import.ts'
import { learn } from './lanes/learn.ts'
import { methods } from './rpc/index.ts'

/** An import keeps a batch of rows in memory and a connection busy. */
const maxImports = 4

/** Starts the service: its lanes and timers, then its doors. */
export async function start(config: Config, overrides?: Overrides): Promise<Started> {
  await using up = new AsyncDisposableStack()
  const ctx = up.use(await createContext(config, overrides))
  const imports = work(ctx, 'contacts.import', ctx.ownFeed, importContacts, { maxActive: maxImports })
  up.use(await sideBySide([imports, workSets(ctx, 'contacts.learn', ctx.campaigns, learn)]))
  up.use(sweepFeed(ctx))
  up.use(measureFeed(ctx))
  up.use(every(ctx, 'drop-abandoned-uploads', dropEveryMs * ctx.scale, dropAbandonedUploads))
  up.use(every(ctx, 'forget-imports', forgetEveryMs, forgetImports))
  up.use(every(ctx, 'forget-consents', forgetEveryMs, forgetConsents))
  const doors = up.use(
    await openDoors(ctx, [
      bind(ContactsDefinition, ctx, methods, { operator: ['recordInbound', 'recordRefusals'] }),
      feedService(ctx, ctx.ownFeed),
    ]),
  )
  return started(doors, up)
}
