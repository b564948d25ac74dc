import { route } from '../route.ts'
import { syncToJson } from '../to-json.ts'

/** How far a sync is. */
export const getTemplateSync = route({
  method: 'GET',
  path: '/v1/template-syncs/:id',
  does: 'Shows how far a template sync is: queued, running, done or failed.',
  run: async (ctx, { id }, call) => syncToJson(await ctx.peers.templates.getSync({ id }, call)),
})
