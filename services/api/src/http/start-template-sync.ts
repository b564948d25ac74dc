import { route } from '../route.ts'
import { syncToJson } from '../to-json.ts'

/** Queues a sync; refused while one is running. */
export const startTemplateSync = route({
  method: 'POST',
  path: '/v1/connections/:id/template-syncs',
  does: "Starts a sync of the templates of a number's WhatsApp Business Account; one at a time.",
  ifUnknown: 'Send it again with a new key: a sync that is running refuses a second one.',
  status: 202,
  run: async (ctx, { id }, call) =>
    syncToJson(await ctx.peers.templates.startSync({ connectionId: id }, call)),
})
