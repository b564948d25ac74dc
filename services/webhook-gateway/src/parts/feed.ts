import type { FeedOptions } from '@lockstep/service'
import { adoptableKeys, owns } from '../apps/app.ts'
import type { Context } from '../context.ts'
import {
  dismissParts,
  partContent,
  reopenParts,
  type SettledParts,
  settleParts,
} from '../db/parts.ts'
import { countParts } from '../metrics.ts'

/**
 * The feed of webhook parts: content stands in the part or its body, and outcomes are written to
 * the part.
 */
export function partsFeed(ctx: Context): FeedOptions {
  return {
    content: partContent,
    async onSettle(tx, settlements, lane) {
      const settled = await settleParts(tx, lane, settlements)
      tx.afterCommit(() => {
        for (const parts of settled) {
          countParts(parts.outcome, parts.field, parts.parts)
          adoptAgain(ctx, parts)
        }
      })
    },
    onReplay: reopenParts,
    onDismiss: dismissParts,
  }
}

/** By clocks that differ, a part may be no_connection although its app has the number by now. */
function adoptAgain(ctx: Context, { toAdopt, field }: SettledParts): void {
  if (!toAdopt) return
  const { lane, key, appId } = toAdopt
  const keys = adoptableKeys(lane, key)
  if (!keys) return
  const app = ctx.apps.peek(appId)
  if (app && owns(app, lane, key, field)) ctx.adoptions.add(app, keys)
  else ctx.apps.refreshSoon(appId)
}
