import type { Context } from '../context.ts'
import { staleAttempts } from '../db/attempts.ts'
import { campaignsWithStaleAttempts } from '../db/campaigns.ts'
import { applyChanges } from '../outcomes/apply-changes.ts'
import { campaignChanges } from '../outcomes/campaign-change.ts'

/** Attempts of one campaign in one run. */
const batch = 500
/** Campaigns in one run. */
const maxCampaigns = 1_000

/**
 * Attempts whose process ended between claim and answer become unknown, never queued; a status
 * webhook or a person resolves them.
 */
export async function expireSending(ctx: Context): Promise<void> {
  const before = new Date(ctx.now() - ctx.times.staleAfterMs)
  const stale = await campaignsWithStaleAttempts(ctx.db, before, maxCampaigns)
  for (const { accountId, campaignId } of stale) {
    try {
      await expire(ctx, accountId, campaignId, before)
    } catch (error) {
      ctx.log.error(
        { err: error, campaignId },
        'Attempts of a process that died could not be made unknown yet',
      )
    }
  }
}

async function expire(
  ctx: Context,
  accountId: string,
  campaignId: string,
  before: Date,
): Promise<void> {
  const expired = await ctx.db.transaction(accountId, async (tx) => {
    const ids = await staleAttempts(tx, campaignId, before, batch)
    const change = {
      kind: 'unknown',
      at: new Date(ctx.now()),
      reason: 'The process that sent it ended before Meta answered',
    } as const
    const changes = ids.map((attemptId) => ({ attemptId, change }))
    await applyChanges(ctx, tx, campaignChanges(accountId, campaignId, changes))
    return ids.length
  })
  ctx.log.warn({ campaignId, attempts: expired }, 'Attempts of a process that died are unknown now')
}
