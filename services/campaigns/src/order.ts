import type { Tx } from '@lockstep/database'
import type { Call } from '@lockstep/rpc'
import type { Campaign, CampaignId } from '@lockstep/rpc/gen/campaigns'
import { requireId } from '@lockstep/service'
import { afterOrder, type CampaignState, type Order } from './campaign.ts'
import type { Context } from './context.ts'
import { findCampaign } from './db/campaigns.ts'
import { readStatistics } from './db/statistics.ts'
import { campaignToProto } from './to-proto.ts'

/** Carries out a person's order under the campaign's row lock: a claim that is committing is waited for, the next one sees the new state. */
export async function carryOut(
  ctx: Context,
  order: Order,
  request: CampaignId,
  call: Call,
  also: (tx: Tx, id: string, before: CampaignState) => Promise<void> = async () => {},
): Promise<Campaign> {
  const id = requireId(request.id, 'campaign')
  return ctx.db.transaction(call.accountId, async (tx) => {
    const campaign = await findCampaign(tx, id, { lock: true })
    const before = campaign.state
    campaign.state = afterOrder(order, campaign)
    campaign.waitsFor = ''
    campaign.reason = ''
    if (campaign.state === 'cancelled') campaign.finishedAt = new Date(ctx.now())
    await also(tx, id, before)
    return campaignToProto(campaign, (await readStatistics(tx, [id])).get(id))
  })
}
