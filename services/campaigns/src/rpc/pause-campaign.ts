import type { Method } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import type { Context } from '../context.ts'
import { applyTransition } from '../lifecycle/apply-transition.ts'

/**
 * Pauses a sending campaign; messages under way are finished, nobody else is claimed after the
 * answer.
 */
export const pauseCampaign: Method<Context, CampaignId, Campaign> = (ctx, request, call) =>
  applyTransition(ctx, 'pause', request, call)
