import { route } from '../route.ts'
import { campaignToJson } from '../to-json.ts'

/** Refused unless the template is approved. */
export const startCampaign = route({
  method: 'POST',
  path: '/v1/campaigns/:id/start',
  does: 'Starts a draft: the audience is frozen, then the messages are sent.',
  ifUnknown: 'Look at GET /v1/campaigns/:id before you try again with a new key.',
  run: async (ctx, { id }, call) =>
    campaignToJson(await ctx.peers.campaigns.startCampaign({ id }, call)),
})
