import type { FeedOptions } from '@lockstep/service'
import { owns } from './app.ts'
import type { Context } from './context.ts'
import {
  dismissParts,
  partContent,
  reopenParts,
  type SettledParts,
  settleParts,
} from './db/queries.ts'
import { countParts } from './metrics.ts'

/** The feed of webhook parts: content stands in the part or its body, and what becomes of an entry is noted on its part. */
export function partsFeed(ctx: Context): FeedOptions {
  return {
    content: partContent,
    async onSettle(tx, settlements, lane) {
      const settled = await settleParts(tx, lane, settlements)
      tx.afterCommit(() => {
        for (const each of settled) {
          countParts(each.outcome, each.field, each.parts)
          claimAgain(ctx, each)
        }
      })
    },
    onReplay: reopenParts,
    onDismiss: dismissParts,
  }
}

/** What nobody had at the moment of its receipt, by clocks that are a little apart, its app may have by now. */
function claimAgain(ctx: Context, { unclaimed, field }: SettledParts): void {
  if (!unclaimed) return
  const { lane, key } = unclaimed
  if (lane === 'webhooks.campaign') return
  const app = ctx.apps.peek(unclaimed.appId)
  if (!app || !owns(app, lane, key, field)) {
    // It may be known here as it was before the number was connected.
    ctx.apps.doubt(unclaimed.appId)
    return
  }
  ctx.claims.claim(
    app,
    lane === 'webhooks.message'
      ? { phoneNumberIds: [key], wabaIds: [] }
      : { phoneNumberIds: [], wabaIds: [key] },
  )
}
