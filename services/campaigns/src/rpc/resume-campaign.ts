import type { Method } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import { feed } from '@lockstep/service'
import type { Context } from '../context.ts'
import { noteResumed } from '../db/campaigns.ts'
import { carryOut } from '../order.ts'

/** Goes on with a paused campaign where it stopped. */
export const resumeCampaign: Method<Context, CampaignId, Campaign> = (ctx, request, call) =>
  carryOut(ctx, 'resume', request, call, async (tx, id) => {
    await noteResumed(tx, id)
    await feed(ctx, tx, { lane: 'campaigns.run', key: id, kind: 'resumed' })
  })
