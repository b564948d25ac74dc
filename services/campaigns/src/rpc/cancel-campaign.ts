import type { Method } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import { feed } from '@lockstep/service'
import type { Context } from '../context.ts'
import { applyTransition } from '../lifecycle/apply-transition.ts'

/**
 * Ends a campaign for good; those who are still queued are never written to. A list that was being
 * made goes in its lane.
 */
export const cancelCampaign: Method<Context, CampaignId, Campaign> = (ctx, request, call) =>
  applyTransition(ctx, 'cancel', request, call, async (tx, id, before) => {
    if (before === 'preparing')
      await feed(ctx, tx, { lane: 'campaigns.run', key: id, kind: 'cancelled' })
  })
