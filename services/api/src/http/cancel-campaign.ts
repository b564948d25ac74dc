import { route } from '../route.ts'
import { campaignToJson } from '../to-json.ts'

/** Refused when it has ended already. */
export const cancelCampaign = route({
  method: 'POST',
  path: '/v1/campaigns/:id/cancel',
  does: 'Ends a campaign for good; those still queued are never written to.',
  ifUnknown: 'Look at GET /v1/campaigns/:id before you try again with a new key.',
  run: async (ctx, { id }, call) =>
    campaignToJson(await ctx.peers.campaigns.cancelCampaign({ id }, call)),
})
