import { AppError } from '@lockstep/contracts'
import { z } from 'zod'
import { id, text } from '../input.ts'
import { route } from '../route.ts'
import { templateToJson } from '../to-json.ts'

const query = z.strictObject({ connection_id: id.optional(), waba_id: text().optional(), status: text(64).toUpperCase().optional() })

/** The account's templates, of one WABA where the query names it or a number of it. */
export const listTemplates = route({
  method: 'GET',
  path: '/v1/templates',
  does: 'Lists the templates by name and language; ?connection_id= or ?waba_id= and ?status=APPROVED narrow it.',
  query,
  run: async (ctx, { query: { connection_id, waba_id, status } }, call) => {
    if (connection_id && waba_id) throw new AppError('invalid', 'Name either "connection_id" or "waba_id", not both')
    const wabaId = connection_id ? (await ctx.accounts.getConnection({ id: connection_id }, call)).wabaId : waba_id
    const { templates } = await ctx.templates.listTemplates({ wabaId: wabaId ?? '', status: status ?? '' }, call)
    return { templates: templates.map(templateToJson) }
  },
})
