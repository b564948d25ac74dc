import type { EntryVerdict, LaneHandler } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/queries.ts'
import { prepare } from '../preparing.ts'
import { sendSlice } from '../sending.ts'

/** Moves a campaign on by one step: prepares it, or sends for a few seconds. Its entries stay open until nothing is left to do. */
export const runCampaign: LaneHandler<Context> = async (ctx, campaignId, entries, lease) => {
  const accountId = entries[0]!.accountId
  const campaign = await ctx.db.transaction(accountId, (tx) => findCampaign(tx, campaignId))
  const again = (laterMs: number): EntryVerdict[] => entries.map(({ id }) => ({ id, laterMs }))
  switch (campaign.state) {
    case 'preparing':
      await prepare(ctx, campaign, lease.signal)
      return again(0)
    case 'sending': {
      const laterMs = await sendSlice(ctx, campaign, lease.signal)
      return laterMs === null ? [] : again(laterMs)
    }
    default:
      return [] // paused, cancelled or done: whoever resumes it opens a new entry
  }
}
