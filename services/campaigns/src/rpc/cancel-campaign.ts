import type { Method } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import type { Context } from '../context.ts'
import { carryOut } from '../order.ts'

/** Ends a campaign for good; those who are still queued are never written to. */
export const cancelCampaign: Method<Context, CampaignId, Campaign> = (ctx, request, call) => carryOut(ctx, 'cancel', request, call)
