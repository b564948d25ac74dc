import type { Method } from '@lockstep/rpc'
import type { ListTemplatesRequest, ListTemplatesResponse } from '@lockstep/rpc/gen/templates'
import { pageLimit, requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { TemplateSchema } from '../db/entities.ts'
import { templateToProto } from '../to-proto.ts'

const usualLimit = 50
/**
 * A template is a few kB, one with a carousel some dozens: a page stays far below the 16 MB of an
 * answer.
 */
const maxLimit = 200

/**
 * A page of the account's templates in id order, 50 by default; of one WABA or with one status
 * where the request names them.
 */
export const listTemplates: Method<Context, ListTemplatesRequest, ListTemplatesResponse> = async (
  ctx,
  request,
  { accountId },
) => {
  const { wabaId, status, after } = request
  const limit = pageLimit(request.limit, usualLimit, maxLimit)
  const next = after && { id: { $gt: requireId(after, 'template') } }
  const where = { accountId, ...(wabaId && { wabaId }), ...(status && { status }), ...next }
  const templates = await ctx.db.transaction(accountId, (tx) =>
    tx.em.find(TemplateSchema, where, { orderBy: { id: 'asc' }, limit }),
  )
  return { templates: templates.map(templateToProto) }
}
