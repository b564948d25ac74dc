import { AppError, type CampaignState, campaignStates } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ListCampaignsRequest, ListCampaignsResponse } from '@lockstep/rpc/gen/campaigns'
import { pageLimit, requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { campaignsPage } from '../db/campaigns.ts'
import { waitingReasons } from '../db/preparations.ts'
import { readStatistics } from '../db/statistics.ts'
import { campaignToProto } from '../lifecycle/campaign-to-proto.ts'

/** A page of the account's campaigns with their statistics, newest first; 100 by default. */
export const listCampaigns: Method<Context, ListCampaignsRequest, ListCampaignsResponse> = (
  ctx,
  request,
  call,
) => {
  const page = {
    state: requireState(request.state),
    before: request.before && requireId(request.before, 'campaign'),
    limit: pageLimit(request.limit, 100, 200),
  }
  return ctx.db.transaction(call.accountId, async (tx) => {
    const campaigns = await campaignsPage(tx, page)
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
}

/** Empty for every state. */
function requireState(text: string): CampaignState | '' {
  const state = campaignStates.find((each) => each === text)
  if (state || !text) return state ?? ''
  throw new AppError('invalid', `"state" must be one of ${campaignStates.join(', ')}`)
}
