import { route } from '../route.ts'
import { campaignToJson } from '../to-json.ts'

/** After the answer nobody else is written to. */
export const pauseCampaign = route({
  method: 'POST',
  path: '/v1/campaigns/:id/pause',
  does: 'Pauses a campaign that is sending; messages under way are finished.',
  ifUnknown: 'Look at GET /v1/campaigns/:id before you try again with a new key.',
  run: async (ctx, { id }, call) =>
    campaignToJson(await ctx.peers.campaigns.pauseCampaign({ id }, call)),
})
