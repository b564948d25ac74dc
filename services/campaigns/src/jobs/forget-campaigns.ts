import type { Context } from '../context.ts'
import { campaignsToForget, hasEnded, writeEmptied, writeForgotten } from '../db/campaigns.ts'
import { forgetPage } from '../db/recipient-list.ts'

const dayMs = 86_400_000
/** Campaigns in one run. */
const maxCampaigns = 100
/** Recipients whose rows go in one transaction. */
const page = 2_000
/** How long a run may take; the next one goes on where it stopped. */
const runMs = 60_000

/**
 * Takes the recipients and attempts of campaigns away that ended longer ago than they are kept;
 * their statistics stay.
 */
export async function forgetCampaigns(ctx: Context): Promise<void> {
  const before = new Date(ctx.now() - ctx.config.campaignRetentionDays * dayMs)
  const endsAt = performance.now() + runMs
  for (const { accountId, campaignId } of await campaignsToForget(ctx.db, before, maxCampaigns)) {
    try {
      if (!(await forget(ctx, accountId, campaignId, endsAt))) return
    } catch (error) {
      ctx.log.error(
        { err: error, campaignId },
        'The recipients of an old campaign could not be taken away yet',
      )
    }
  }
}

/** False when time is up before all are gone. */
async function forget(
  ctx: Context,
  accountId: string,
  campaignId: string,
  endsAt: number,
): Promise<boolean> {
  for (let after: string | null = '0'; after !== null; ) {
    if (performance.now() > endsAt) return false
    const from: string = after
    after = await ctx.db.transaction(accountId, async (tx) => {
      if (!(await hasEnded(tx, campaignId))) return null
      await writeForgotten(tx, campaignId)
      const next = await forgetPage(tx, campaignId, from, page)
      if (next === null) await writeEmptied(tx, campaignId)
      return next
    })
  }
  ctx.log.info({ campaignId }, 'The recipients of an old campaign were taken away')
  return true
}
