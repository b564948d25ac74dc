import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ResendUnknownRequest, ResendUnknownResponse } from '@lockstep/rpc/gen/campaigns'
import { feed, requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findCampaign, writeResumed } from '../db/campaigns.ts'
import { queueUnknown } from '../db/recipients.ts'
import { addStatistics } from '../db/statistics.ts'
import { moveCampaign } from '../lifecycle/move-campaign.ts'
import { stateChange } from '../outcomes/statistics.ts'
import { confirmWithinMs } from '../outcomes/unconfirmed.ts'

/**
 * Puts recipients whose message may or may not have gone out back into the queue, because a person
 * says so.
 */
export const resendUnknown: Method<Context, ResendUnknownRequest, ResendUnknownResponse> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const { id, name, state } = await findCampaign(tx, requireId(request.campaignId, 'campaign'), {
      lock: true,
    })
    if (state === 'cancelled')
      throw new AppError(
        'conflict',
        `Campaign "${name}" is cancelled; nobody is written to any more`,
      )
    const queued = await queueUnknown(
      tx,
      id,
      request.recipientIds,
      new Date(ctx.now() - confirmWithinMs),
    )
    if (queued.length === 0) return { queued: 0 }
    if (await moveCampaign(ctx, tx, id, ['completed'], 'sending')) await writeResumed(tx, id)
    await feed(ctx, tx, { lane: 'campaigns.run', key: id, kind: 'resumed' })
    const variants = queued.map(({ variant }) => variant)
    await addStatistics(tx, stateChange(id, variants, 'unknown', 'queued'))
    return { queued: queued.length }
  })
