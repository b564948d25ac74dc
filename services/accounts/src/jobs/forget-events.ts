import { forgetOld } from '@lockstep/service'
import type { Context } from '../context.ts'
import { forgetEventPage } from '../db/account-events.ts'

/** Events in one transaction. */
const page = 2_000

/** Takes account events away that were received longer ago than they are kept. */
export function forgetEvents(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'account events',
    days: ctx.config.accountEventRetentionDays,
    forgetPage: async (before) => {
      const rows = await forgetEventPage(ctx.db, before, page)
      return { rows, more: rows > 0 }
    },
  })
}
