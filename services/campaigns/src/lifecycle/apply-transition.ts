import type { CampaignState } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Call } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/campaigns.ts'
import { readStatistics } from '../db/statistics.ts'
import { campaignToProto } from './campaign-to-proto.ts'
import { announceState } from './move-campaign.ts'
import { stateAfter, type Transition } from './transitions.ts'

/**
 * Moves a campaign under its row lock: a claim that is committing is waited for, the next one sees
 * the new state.
 */
export async function applyTransition(
  ctx: Context,
  transition: Transition,
  request: CampaignId,
  call: Call,
  also: (tx: Tx, id: string, before: CampaignState) => Promise<void> = async () => {},
): Promise<Campaign> {
  const id = requireId(request.id, 'campaign')
  return ctx.db.transaction(call.accountId, async (tx) => {
    const campaign = await findCampaign(tx, id, { lock: true })
    const before = campaign.state
    campaign.state = stateAfter(transition, campaign)
    campaign.waitsFor = ''
    campaign.reason = ''
    if (campaign.state === 'cancelled') campaign.finishedAt = new Date(ctx.now())
    await announceState(ctx, tx, campaign)
    await also(tx, id, before)
    return campaignToProto(campaign, (await readStatistics(tx, [id])).get(id))
  })
}
