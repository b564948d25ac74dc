import { route } from '../route.ts'
import { campaignToJson } from '../to-json.ts'

/** The newest campaigns. */
export const listCampaigns = route({
  method: 'GET',
  path: '/v1/campaigns',
  does: 'Lists the newest 100 campaigns with their statistics, newest first.',
  run: async (ctx, _input, call) => ({
    campaigns: (await ctx.peers.campaigns.listCampaigns({}, call)).campaigns.map(campaignToJson),
  }),
})
