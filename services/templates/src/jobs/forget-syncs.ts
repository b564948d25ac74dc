import { forgetOld } from '@lockstep/service'
import type { Context } from '../context.ts'
import { forgetRunPage } from '../db/sync-runs.ts'

/** Runs in one transaction. */
const page = 2_000

/** Takes runs of syncs away that ended longer ago than they are kept. */
export function forgetSyncs(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'template syncs',
    days: ctx.config.templateSyncRetentionDays,
    forgetPage: async (before) => {
      const rows = await forgetRunPage(ctx.db, before, page)
      return { rows, more: rows > 0 }
    },
  })
}
