import { AppError } from '@lockstep/contracts'
import type { Call, Method } from '@lockstep/rpc'
import type { Connection } from '@lockstep/rpc/gen/accounts'
import type { Campaign, UpdateDraftRequest } from '@lockstep/rpc/gen/campaigns'
import { requireId, requireText } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/campaigns.ts'
import type { Campaign as Draft } from '../db/entities.ts'
import {
  draftConnection,
  draftTemplate,
  requireDraft,
  requireSameDraft,
  requireTags,
} from '../drafts/look-up.ts'
import { campaignToProto } from '../lifecycle/campaign-to-proto.ts'

/** Changes what is named of a draft; a start that comes first wins. */
export const updateDraft: Method<Context, UpdateDraftRequest, Campaign> = async (
  ctx,
  request,
  call,
) => {
  const id = requireId(request.id, 'campaign')
  const draft = await ctx.db.transaction(call.accountId, (tx) => findCampaign(tx, id))
  const change = await changeOf(ctx, draft, request, call)
  return ctx.db.transaction(call.accountId, async (tx) => {
    const campaign = await findCampaign(tx, id, { lock: true })
    requireDraft(campaign, 'only a draft can be changed')
    requireSameDraft(campaign, draft)
    Object.assign(campaign, change)
    return campaignToProto(campaign)
  })
}

/** The columns that are named, the number and the template as they are looked up. */
async function changeOf(
  ctx: Context,
  draft: Draft,
  request: UpdateDraftRequest,
  call: Call,
): Promise<Partial<Draft>> {
  const { name, filter } = request
  const values = request.values?.byVariable ?? draft.values
  const connection = await draftConnection(ctx, request.connectionId ?? draft.connectionId, call)
  const template = await draftTemplate(ctx, templateAsked(request, draft, connection), values, call)
  if (template.wabaId !== connection.wabaId)
    throw new AppError(
      'invalid',
      `Template "${template.name}" is not of the WABA of this number; name "template_name" and "template_language", too`,
    )
  return {
    ...(name !== undefined && { name: requireText(name, 'name') }),
    ...(filter && { filter: { tags: requireTags(filter) } }),
    connectionId: connection.id,
    phoneNumberId: connection.phoneNumberId,
    appId: connection.appId,
    templateId: template.id,
    values,
  }
}

function templateAsked(
  { templateName: name, templateLanguage: language }: UpdateDraftRequest,
  { templateId }: Draft,
  { wabaId }: Connection,
) {
  if ((name === undefined) !== (language === undefined))
    throw new AppError('invalid', 'Name "template_name" and "template_language" together')
  return name === undefined
    ? { id: templateId }
    : { wabaId, name: requireText(name, 'template_name'), language: language! }
}
