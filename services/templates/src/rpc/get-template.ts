import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { GetTemplateRequest, Template } from '@lockstep/rpc/gen/templates'
import { requireId, requireText } from '@lockstep/service'
import type { Context } from '../context.ts'
import { TemplateSchema } from '../db/entities.ts'
import { normaliseLanguage } from '../template.ts'
import { templateToProto } from '../to-proto.ts'

/** One template, by its id, or by WABA, name and language. */
export const getTemplate: Method<Context, GetTemplateRequest, Template> = (
  ctx,
  request,
  { accountId },
) => {
  const { which, described } = identify(request)
  return ctx.db.transaction(accountId, async (tx) => {
    const template = await tx.em.findOne(TemplateSchema, { ...which, accountId })
    if (!template)
      throw new AppError(
        'not_found',
        `There is no template ${described}; sync the templates if it is new at Meta`,
      )
    return templateToProto(template)
  })
}

function identify(request: GetTemplateRequest) {
  if (request.id) return { which: { id: requireId(request.id, 'template') }, described: request.id }
  const name = requireText(request.name, 'name')
  const language = normaliseLanguage(requireText(request.language, 'language'))
  return {
    which: { wabaId: requireText(request.wabaId, 'waba_id'), name, language },
    described: `"${name}" in ${language}`,
  }
}
