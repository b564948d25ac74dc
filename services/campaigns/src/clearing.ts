import { holdFenced } from '@lockstep/service'
import type { Context } from './context.ts'
import { hasEndedUnsent } from './db/campaigns.ts'
import type { Campaign } from './db/entities.ts'
import { dropPreparation, findPreparation, noteRemoved } from './db/preparations.ts'
import { removePage } from './db/recipients.ts'
import { listSliceMs, removalPage } from './preparing.ts'

/**
 * Takes everybody off the list of a campaign that ended while it was prepared, for a few seconds. Answers after how many ms
 * to go on, or null when nobody is left.
 */
export async function clearList(
  ctx: Context,
  { id, accountId }: Campaign,
  lease: AbortSignal,
): Promise<number | null> {
  const open = await ctx.db.transaction(accountId, (tx) => findPreparation(tx, id))
  if (!open) return null
  await using lock = await holdFenced(ctx, 'campaign_prepare_recipients', id, { signal: lease })
  const endsAt = performance.now() + listSliceMs * ctx.scale
  for (let after = '0'; performance.now() < endsAt; ) {
    const next = await lock.transaction(accountId, async (tx) => {
      if (!(await hasEndedUnsent(tx, id))) return null
      const last = await removePage(tx, { campaignId: id, after, limit: removalPage })
      if (last === null) await dropPreparation(tx, id)
      else await noteRemoved(tx, id, last)
      return last
    })
    if (next === null) return 0 // the next look finds out whether it is empty or was started again
    after = next
  }
  return 0
}
