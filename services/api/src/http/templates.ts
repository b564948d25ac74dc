import { AppError } from '@lockstep/contracts'
import { z } from 'zod'
import { id, idParams, page, text } from '../input.ts'
import { metaJson, nextCursor, time } from '../response.ts'
import { route } from '../route.ts'

const template = z
  .object({
    id: z.string(),
    waba_id: z.string(),
    name: z.string(),
    language: z.string(),
    category: z.string(),
    status: z.string(),
    components: metaJson,
    parameter_format: z.string(),
    quality: z.string(),
    rejected_reason: z.string(),
    status_reason: z.string(),
    next_category: z.string(),
    next_category_at: time,
    synced_at: time,
  })
  .meta({ id: 'Template' })

const sync = z
  .object({
    id: z.string(),
    connection_id: z.string(),
    state: z.string(),
    seen: z.number(),
    removed: z.number(),
    failure: z.string(),
    started_at: time,
    finished_at: time,
  })
  .meta({ id: 'TemplateSync' })

export const startTemplateSync = route({
  method: 'POST',
  audit: 'api',
  path: '/v1/connections/:id/template-syncs',
  right: 'templates.write',
  summary: "Starts a sync of the templates of a number's WhatsApp Business Account; one at a time.",
  params: idParams,
  status: 202,
  response: sync,
  errors: ['not_found', 'conflict'],
  afterLostResponse: 'Send it again with a new key: a sync that is running refuses a second one.',
  run: (ctx, { params: { id } }, call) => ctx.peers.templates.startSync({ connectionId: id }, call),
})

export const getTemplateSync = route({
  method: 'GET',
  path: '/v1/template-syncs/:id',
  right: 'templates.read',
  summary: 'Shows how far a template sync is: queued, running, done or failed.',
  params: idParams,
  response: sync,
  errors: ['not_found'],
  run: (ctx, { params }, call) => ctx.peers.templates.getSync(params, call),
})

export const listTemplates = route({
  method: 'GET',
  path: '/v1/templates',
  right: 'templates.read',
  summary:
    'Lists templates in id order; ?connection_id= or ?waba_id= and ?status=APPROVED narrow it, ?cursor= is the next_cursor of the page before.',
  query: z.strictObject({
    connection_id: id.optional(),
    waba_id: text().optional(),
    status: text(64).toUpperCase().optional(),
    ...page(id, 200),
  }),
  response: z.object({ templates: z.array(template), next_cursor: z.string().nullable() }),
  errors: ['not_found'],
  run: async (
    ctx,
    { query: { connection_id, waba_id, status = '', cursor = '', limit } },
    call,
  ) => {
    if (connection_id && waba_id)
      throw new AppError('invalid', 'Name either "connection_id" or "waba_id", not both')
    const wabaId = connection_id
      ? (await ctx.peers.accounts.getConnection({ id: connection_id }, call)).wabaId
      : waba_id
    const { templates } = await ctx.peers.templates.listTemplates(
      { wabaId: wabaId ?? '', status, after: cursor, limit },
      call,
    )
    return { templates, nextCursor: nextCursor(templates, limit, (row) => row.id) }
  },
})

export const getTemplate = route({
  method: 'GET',
  path: '/v1/templates/:id',
  right: 'templates.read',
  summary: 'Shows a template as Meta holds it.',
  params: idParams,
  response: template,
  errors: ['not_found'],
  run: (ctx, { params: { id } }, call) =>
    ctx.peers.templates.getTemplate({ id, wabaId: '', name: '', language: '' }, call),
})
