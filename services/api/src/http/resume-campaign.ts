import { route } from '../route.ts'
import { campaignToJson } from '../to-json.ts'

/** Refused unless it is paused. */
export const resumeCampaign = route({
  method: 'POST',
  path: '/v1/campaigns/:id/resume',
  does: 'Goes on with a paused campaign where it stopped.',
  ifUnknown: 'Look at GET /v1/campaigns/:id before you try again with a new key.',
  run: async (ctx, { id }, call) =>
    campaignToJson(await ctx.peers.campaigns.resumeCampaign({ id }, call)),
})
