import { route } from '../route.ts'
import { campaignToJson } from '../to-json.ts'

/** A campaign with its statistics of this moment. */
export const getCampaign = route({
  method: 'GET',
  path: '/v1/campaigns/:id',
  does: 'Shows a campaign: its state, why it is in it, and its statistics of this moment.',
  run: async (ctx, { id }, call) =>
    campaignToJson(await ctx.peers.campaigns.getCampaign({ id }, call)),
})
