import type { Method } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import { feed } from '@lockstep/service'
import type { Context } from '../context.ts'
import { writeResumed } from '../db/campaigns.ts'
import { applyTransition } from '../lifecycle/apply-transition.ts'

/** Goes on with a paused campaign where it stopped. */
export const resumeCampaign: Method<Context, CampaignId, Campaign> = (ctx, request, call) =>
  applyTransition(ctx, 'resume', request, call, async (tx, id) => {
    await writeResumed(tx, id)
    await feed(ctx, tx, { lane: 'campaigns.run', key: id, kind: 'resumed' })
  })
