import type { Method } from '@lockstep/rpc'
import type { Campaign, CreateCampaignRequest } from '@lockstep/rpc/gen/campaigns'
import { chosenId, requireText } from '@lockstep/service'
import type { Context } from '../context.ts'
import { insertDraft } from '../db/campaigns.ts'
import { CampaignSchema } from '../db/entities.ts'
import { draftConnection, draftTemplate, requireTags } from '../drafts/look-up.ts'
import { campaignToProto } from '../lifecycle/campaign-to-proto.ts'
import { announceState } from '../lifecycle/move-campaign.ts'

/** A draft. */
export const createCampaign: Method<Context, CreateCampaignRequest, Campaign> = async (
  ctx,
  request,
  call,
) => {
  const { accountId } = call
  const id = chosenId(request.id)
  const made = request.id && (await findMade(ctx, accountId, id))
  if (made) return campaignToProto(made)
  const name = requireText(request.name, 'name')
  const tags = requireTags(request.filter)
  const connection = await draftConnection(ctx, request.connectionId, call)
  const asked = {
    wabaId: connection.wabaId,
    name: requireText(request.templateName, 'template_name'),
    language: request.templateLanguage,
  }
  const template = await draftTemplate(ctx, asked, request.values, call)
  return ctx.db.transaction(accountId, async (tx) => {
    const campaign = await insertDraft(tx, {
      id,
      accountId,
      name,
      connectionId: connection.id,
      phoneNumberId: connection.phoneNumberId,
      appId: connection.appId,
      templateId: template.id,
      filter: { tags },
      values: request.values,
      createdAt: new Date(ctx.now()),
    })
    await announceState(ctx, tx, campaign)
    return campaignToProto(campaign)
  })
}

const findMade = (ctx: Context, accountId: string, id: string) =>
  ctx.db.transaction(accountId, (tx) => tx.em.findOne(CampaignSchema, { id, accountId }))
