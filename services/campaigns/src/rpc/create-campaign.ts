import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { Campaign, CreateCampaignRequest } from '@lockstep/rpc/gen/campaigns'
import { chosenId, requireId, requireText } from '@lockstep/service'
import { checkValues } from '../audience/template-values.ts'
import type { Context } from '../context.ts'
import { insertDraft } from '../db/campaigns.ts'
import { CampaignSchema } from '../db/entities.ts'
import { campaignToProto } from '../lifecycle/campaign-to-proto.ts'
import { announceState } from '../lifecycle/move-campaign.ts'

/**
 * A draft. Its template must exist and have a value for each variable; whether it is approved is
 * asked at the start.
 */
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
  const tags = request.filter?.tags ?? []
  if (tags.length === 0)
    throw new AppError(
      'invalid',
      'A campaign needs a filter with at least one tag; an empty filter never means everybody',
    )
  const connection = await ctx.peers.accounts.getConnection(
    { id: requireId(request.connectionId, 'connection') },
    call,
  )
  const template = await ctx.peers.templates.getTemplate(
    {
      wabaId: connection.wabaId,
      name: requireText(request.templateName, 'template_name'),
      language: request.templateLanguage,
    },
    call,
  )
  checkValues(
    { name: template.name, components: JSON.parse(template.componentsJson) },
    request.values,
  )
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
