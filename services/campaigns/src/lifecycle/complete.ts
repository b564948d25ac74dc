import type { Tx } from '@lockstep/database'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/campaigns.ts'
import type { Campaign } from '../db/entities.ts'
import { queueStatus } from '../db/recipients.ts'
import { readStatistics } from '../db/statistics.ts'
import { noStatistics, type Statistics } from '../outcomes/statistics.ts'
import { moveCampaign } from './move-campaign.ts'

/**
 * sending → completed; false when somebody was put back into the queue meanwhile, or the campaign
 * was stopped.
 */
export async function complete(
  ctx: Context,
  { id, accountId }: Pick<Campaign, 'id' | 'accountId'>,
): Promise<boolean> {
  const done = await ctx.db.transaction(accountId, (tx) => completeIn(ctx, tx, id))
  if (done) ctx.log.info({ campaignId: id }, 'A campaign is complete')
  return done
}

/**
 * Under the campaign's row lock: whoever puts somebody back at this moment is seen, or finds it
 * completed.
 */
export async function completeIn(ctx: Context, tx: Tx, id: string): Promise<boolean> {
  await findCampaign(tx, id, { lock: true })
  const { ready, nextMs, sending } = await queueStatus(tx, id, 1)
  if (ready > 0 || nextMs !== null || sending) return false
  return moveCampaign(ctx, tx, id, ['sending'], 'completed', {
    finishedAt: new Date(ctx.now()),
    reason: nobodyReached((await readStatistics(tx, [id])).get(id)),
  })
}

/**
 * Says that Meta took no message of a campaign, which its state alone would not; empty when it took
 * one.
 */
function nobodyReached(statistics: Statistics = noStatistics()): string {
  const { accepted, failed, unknown, rejected } = statistics
  if (rejected === 0 || accepted + failed + unknown > 0) return ''
  const refused = rejected === 1 ? 'the one message' : `all ${rejected} messages`
  return `Nobody was written to: Meta refused ${refused}. The list of recipients says why.`
}
