import type { Method } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { deleteDraft as deleteRow, findCampaign } from '../db/campaigns.ts'
import { requireDraft } from '../drafts/look-up.ts'
import { campaignToProto } from '../lifecycle/campaign-to-proto.ts'

/** Takes a draft away; a start that comes first wins. */
export const deleteDraft: Method<Context, CampaignId, Campaign> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const campaign = await findCampaign(tx, requireId(request.id, 'campaign'), { lock: true })
    requireDraft(campaign, 'only a draft can be deleted, any other is cancelled')
    await deleteRow(tx, campaign.id)
    return campaignToProto(campaign)
  })
