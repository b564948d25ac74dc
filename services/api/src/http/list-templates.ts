import { AppError } from '@lockstep/contracts'
import { z } from 'zod'
import { id, page, text } from '../input.ts'
import { route } from '../route.ts'
import { nextAfter, templateToJson } from '../to-json.ts'

const query = z.strictObject({
  connection_id: id.optional(),
  waba_id: text().optional(),
  status: text(64).toUpperCase().optional(),
  ...page(id, 200),
})

/** The account's templates, page by page; of one WABA where the query names it or a number of it. */
export const listTemplates = route({
  method: 'GET',
  path: '/v1/templates',
  does: 'Lists templates in id order; ?connection_id= or ?waba_id= and ?status=APPROVED narrow it, ?after= is the last id of the page before.',
  query,
  run: async (ctx, { query: { connection_id, waba_id, status = '', after = '', limit } }, call) => {
    if (connection_id && waba_id)
      throw new AppError('invalid', 'Name either "connection_id" or "waba_id", not both')
    const wabaId = connection_id
      ? (await ctx.peers.accounts.getConnection({ id: connection_id }, call)).wabaId
      : waba_id
    const { templates } = await ctx.peers.templates.listTemplates(
      { wabaId: wabaId ?? '', status, after, limit },
      call,
    )
    return {
      templates: templates.map(templateToJson),
      next_after: nextAfter(templates, limit, (template) => template.id),
    }
  },
})
