import { type CampaignWait, events } from '@lockstep/contracts'
import { type SliceEnd, sendSlice, type Wait } from '@lockstep/sending'
import { type FencedLock, holdFenced } from '@lockstep/service'
import type { Context } from '../context.ts'
import { writeApp, writeWait } from '../db/campaigns.ts'
import type { Campaign } from '../db/entities.ts'
import { complete } from '../lifecycle/complete.ts'
import { moveCampaign } from '../lifecycle/move-campaign.ts'
import { campaignQueue } from './campaign-queue.ts'
import { readSetup, type SliceSetup } from './slice-setup.ts'

/**
 * A claimed message is begun within this part of the time after which its attempt counts as stale.
 */
const claimLife = 0.4

type CampaignSliceEnd = Omit<SliceEnd, 'wait'> & { wait: Wait<CampaignWait> | null }

/**
 * Sends for one slice; answers in how many ms there is more to do, or null when the campaign is
 * over or stopped.
 */
export async function sendCampaign(
  ctx: Context,
  campaign: Campaign,
  lease: AbortSignal,
): Promise<number | null> {
  await using lock = await holdFenced(ctx, 'campaign_send', campaign.id)
  const { id, accountId } = campaign
  const setup = await readSetup(ctx, campaign)
  if ('reason' in setup) {
    await ctx.db.transaction(accountId, (tx) =>
      moveCampaign(ctx, tx, id, ['sending'], 'paused', setup),
    )
    return null
  }
  const end = setup.wait
    ? endOfWait(setup.wait, ctx.times)
    : await send(ctx, campaign, setup, lock, lease)
  const isNew =
    (end.wait?.for ?? '') !== campaign.waitsFor || (end.wait?.reason ?? '') !== campaign.reason
  if (isNew) await ctx.db.transaction(accountId, (tx) => writeWait(tx, id, end.wait))
  if (isNew || !setup.wait) ctx.messaging.publishEvent(events.campaignChanged, { campaignId: id })
  if (end.error !== undefined) throw end.error
  if (end.kind === 'empty') return (await complete(ctx, campaign)) ? null : end.afterMs
  return end.kind === 'stopped' ? null : end.afterMs
}

/**
 * A slice without claims: while Meta restricts the number, a campaign may still be waiting for its
 * last answers only.
 */
function endOfWait(wait: Wait<CampaignWait>, times: Context['times']): CampaignSliceEnd {
  return wait.for === 'restriction'
    ? { kind: 'empty', afterMs: times.restrictionAgainMs, wait }
    : { kind: 'more', afterMs: times.repliesAgainMs, wait }
}

async function send(
  ctx: Context,
  campaign: Campaign,
  { appId, template, route }: SliceSetup,
  lock: FencedLock,
  lease: AbortSignal,
): Promise<CampaignSliceEnd> {
  const { id, accountId } = campaign
  // Before the first message of which a status may come from there.
  if (appId !== campaign.appId) await ctx.db.transaction(accountId, (tx) => writeApp(tx, id, appId))
  return sendSlice(ctx, campaignQueue(ctx, campaign, template, lock), route, {
    sliceMs: ctx.times.sendSliceMs,
    claimLifeMs: claimLife * ctx.times.staleAfterMs,
    signal: AbortSignal.any([lease, lock.signal]),
  })
}
