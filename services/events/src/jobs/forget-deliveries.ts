import { forgetOld } from '@lockstep/service'
import type { Context } from '../context.ts'
import { forgetDeliveryPage } from '../db/deliveries.ts'

/** A day of events goes when its last one is old enough. */
const daysLonger = 2
/** Runs in one transaction. */
const page = 2_000

/** Takes deliveries away whose events are gone, for there is nothing to post any more. */
export function forgetDeliveries(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'webhook deliveries',
    days: ctx.config.eventRetentionDays + daysLonger,
    forgetPage: async (before) => {
      const rows = await forgetDeliveryPage(ctx.db, before, page)
      return { rows, more: rows === page }
    },
  })
}
