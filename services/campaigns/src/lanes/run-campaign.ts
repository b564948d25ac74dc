import { AppError } from '@lockstep/contracts'
import { isLastTry } from '@lockstep/feeds'
import { type EntryResult, type LaneHandler, troubleOf } from '@lockstep/service'
import { clearList } from '../audience/clear-list.ts'
import { prepare } from '../audience/prepare.ts'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/campaigns.ts'
import type { Campaign } from '../db/entities.ts'
import { moveCampaign } from '../lifecycle/move-campaign.ts'
import { sendCampaign } from '../sending/send-campaign.ts'

/**
 * Prepares, sends, or clears a list, for one slice; the entries stay open until nothing is left to
 * do.
 */
export const runCampaign: LaneHandler<Context> = async (ctx, campaignId, entries, lease) => {
  const accountId = entries[0]!.accountId
  const campaign = await ctx.db.transaction(accountId, (tx) => findCampaign(tx, campaignId))
  let laterMs: number | null
  try {
    laterMs = await step(ctx, campaign, lease.signal)
  } catch (error) {
    if (troubleOf(error) === 'away' || !entries.some(isLastTry)) throw error
    laterMs = (await giveUp(ctx, campaign, error)) ? null : 0
  }
  return laterMs === null ? [] : entries.map(({ id }): EntryResult => ({ id, laterMs }))
}

/** Answers after how many ms there is more to do, or null when there is nothing. */
async function step(ctx: Context, campaign: Campaign, signal: AbortSignal): Promise<number | null> {
  switch (campaign.state) {
    case 'preparing':
      return prepare(ctx, campaign, signal)
    case 'sending':
      return sendCampaign(ctx, campaign, signal)
    case 'cancelled':
    case 'failed':
      return clearList(ctx, campaign, signal)
    default:
      return null // paused or done: whoever resumes it opens a new entry
  }
}

/**
 * Stops a campaign that fails again and again, with the reason; a person lets it go on. False when
 * there is more to do.
 */
async function giveUp(
  ctx: Context,
  { id, accountId, state }: Campaign,
  error: unknown,
): Promise<boolean> {
  const cause =
    error instanceof AppError && error.failure !== 'internal'
      ? error.message
      : "Internal error; the service's log has the cause"
  ctx.log.error(
    { err: error, campaignId: id, state },
    'A campaign was stopped because it fails again and again',
  )
  return ctx.db.transaction(accountId, async (tx) => {
    if (state === 'sending')
      return moveCampaign(ctx, tx, id, ['sending'], 'paused', {
        reason: `${cause}. Resume it when that is mended.`,
      })
    const reason = `It could not be prepared: ${cause}. Start it again when that is mended.`
    await moveCampaign(ctx, tx, id, ['preparing'], 'failed', {
      reason,
      finishedAt: new Date(ctx.now()),
    })
    return false // its list is to be cleared
  })
}
