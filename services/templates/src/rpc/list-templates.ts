import type { Method } from '@lockstep/rpc'
import type { ListTemplatesRequest, ListTemplatesResponse } from '@lockstep/rpc/gen/templates'
import type { Context } from '../context.ts'
import { TemplateSchema } from '../db/entities.ts'
import { templateToProto } from '../to-proto.ts'

/** The account's templates by name and language; of one WABA or with one status where the request names them. */
export const listTemplates: Method<Context, ListTemplatesRequest, ListTemplatesResponse> = (ctx, { wabaId, status }, { accountId }) =>
  ctx.db.transaction(accountId, async (tx) => {
    const where = { accountId, ...(wabaId && { wabaId }), ...(status && { status }) }
    const templates = await tx.em.find(TemplateSchema, where, { orderBy: { name: 'asc', language: 'asc' } })
    return { templates: templates.map(templateToProto) }
  })
