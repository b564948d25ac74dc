import { announce } from '@lockstep/feeds'
import type { Context } from '../context.ts'
import { changedCampaigns, readStatistics, takeChanged } from '../db/statistics.ts'

/** However many messages: a campaign's progress is told at most so often. */
export const announceProgressEveryMs = 2_000

/** Campaigns of one transaction. */
const page = 200
const firstId = '00000000-0000-0000-0000-000000000000'

/** Tells those who follow an account the statistics of its campaigns that have changed. */
export async function announceProgress(ctx: Context): Promise<void> {
  for (let after = firstId, more = true; more; ) {
    const changed = await changedCampaigns(ctx.db, after, page)
    if (changed.length > 0) await announcePage(ctx, changed)
    after = changed.at(-1)?.campaignId ?? after
    more = changed.length === page
  }
}

async function announcePage(
  ctx: Context,
  campaigns: { accountId: string; campaignId: string }[],
): Promise<void> {
  const accountOf = new Map(campaigns.map(({ accountId, campaignId }) => [campaignId, accountId]))
  await ctx.db.transaction([...new Set(accountOf.values())], async (tx) => {
    const ids = await takeChanged(tx, [...accountOf.keys()])
    const statistics = await readStatistics(tx, ids)
    const events = ids.map((id) => ({
      kind: 'campaign.progress' as const,
      subjectId: id,
      body: { statistics: statistics.get(id)! },
      accountId: accountOf.get(id)!,
    }))
    await announce(ctx, tx, ...events)
  })
}
