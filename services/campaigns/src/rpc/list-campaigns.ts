import type { Method } from '@lockstep/rpc'
import type { ListCampaignsRequest, ListCampaignsResponse } from '@lockstep/rpc/gen/campaigns'
import type { Context } from '../context.ts'
import { newestCampaigns } from '../db/campaigns.ts'
import { waitingReasons } from '../db/preparations.ts'
import { readStatistics } from '../db/statistics.ts'
import { campaignToProto } from '../lifecycle/campaign-to-proto.ts'

const pageSize = 100

/** The account's newest campaigns with their statistics. */
export const listCampaigns: Method<Context, ListCampaignsRequest, ListCampaignsResponse> = (
  ctx,
  _request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const campaigns = await newestCampaigns(tx, pageSize)
    const statistics = await readStatistics(
      tx,
      campaigns.map((campaign) => campaign.id),
    )
    const preparing = campaigns.filter(({ state }) => state === 'preparing')
    const waits = await waitingReasons(
      tx,
      preparing.map(({ id }) => id),
    )
    return {
      campaigns: campaigns.map((campaign) =>
        campaignToProto(campaign, statistics.get(campaign.id), waits.get(campaign.id)),
      ),
    }
  })
