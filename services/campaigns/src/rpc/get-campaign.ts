import type { Method } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/campaigns.ts'
import { waitingReasons } from '../db/preparations.ts'
import { readStatistics } from '../db/statistics.ts'
import { campaignToProto } from '../lifecycle/campaign-to-proto.ts'

/** A campaign with its statistics of this moment. */
export const getCampaign: Method<Context, CampaignId, Campaign> = (ctx, request, call) => {
  const id = requireId(request.id, 'campaign')
  return ctx.db.transaction(call.accountId, async (tx) => {
    const campaign = await findCampaign(tx, id)
    const waits = campaign.state === 'preparing' ? (await waitingReasons(tx, [id])).get(id) : ''
    return campaignToProto(campaign, (await readStatistics(tx, [id])).get(id), waits)
  })
}
