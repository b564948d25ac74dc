import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import { feed, requireId } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/campaigns.ts'
import { beginPreparation } from '../db/preparations.ts'
import { hasRecipients } from '../db/recipient-list.ts'
import { draftTemplate, requireSameDraft } from '../drafts/look-up.ts'
import { campaignToProto } from '../lifecycle/campaign-to-proto.ts'
import { announceState } from '../lifecycle/move-campaign.ts'
import { stateAfter } from '../lifecycle/transitions.ts'

/**
 * Starts a draft, or a campaign that could not be prepared, unless its template is not approved or
 * no longer fits.
 */
export const startCampaign: Method<Context, CampaignId, Campaign> = async (ctx, request, call) => {
  const id = requireId(request.id, 'campaign')
  const draft = await ctx.db.transaction(call.accountId, (tx) => findCampaign(tx, id))
  const template = await draftTemplate(ctx, { id: draft.templateId }, draft.values, call)
  if (template.status !== 'APPROVED')
    throw new AppError(
      'precondition',
      `Template "${template.name}" is ${template.status} at Meta; only an approved one can be sent. Sync the templates when it is`,
    )
  return ctx.db.transaction(call.accountId, async (tx) => {
    const campaign = await findCampaign(tx, id, { lock: true })
    requireSameDraft(campaign, draft)
    campaign.state = stateAfter('start', campaign)
    campaign.reason = ''
    campaign.startedAt = new Date(ctx.now())
    campaign.finishedAt = null
    await beginPreparation(tx, id, uuid(), await hasRecipients(tx, id))
    await announceState(ctx, tx, campaign)
    await feed(ctx, tx, { lane: 'campaigns.run', key: id, kind: 'started' })
    return campaignToProto(campaign)
  })
}
