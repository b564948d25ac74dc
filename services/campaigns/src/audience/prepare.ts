import { AppError, shares } from '@lockstep/contracts'
import { holdFenced } from '@lockstep/service'
import type { Context } from '../context.ts'
import type { Campaign } from '../db/entities.ts'
import { findPreparation, type Preparation, writeCursor, writeReason } from '../db/preparations.ts'
import { removePage } from '../db/recipient-list.ts'
import { finishList } from './finish-list.ts'
import { listPeople } from './list-people.ts'
import { type ListWork, removalPage, whilePreparing } from './list-work.ts'

/**
 * Freezes a campaign's audience for one slice; answers in how many ms to go on. The cursor is
 * committed with the people that it is past, so a restart costs a slice.
 */
export async function prepare(
  ctx: Context,
  campaign: Campaign,
  lease: AbortSignal,
): Promise<number> {
  const { id, accountId } = campaign
  using place = takePlace(ctx.preparing, accountId)
  if (!place) {
    const reason = `It waits: ${shares.prepares_under_way.limit} campaigns of this account are being prepared.`
    await ctx.db.transaction(accountId, (tx) => writeReason(tx, id, reason))
    return ctx.times.prepareAgainMs
  }
  await using lock = await holdFenced(ctx, 'campaign_prepare_recipients', id, { signal: lease })
  const work = { ctx, campaign, lock, endsAt: performance.now() + ctx.times.listSliceMs }
  const preparation = await ctx.db.transaction(accountId, (tx) => findPreparation(tx, id))
  if (!preparation)
    throw new AppError('internal', `Nothing says how far campaign ${id} is prepared`)
  if (preparation.listed) await removeEarlierPeople(work, preparation)
  else await listPeople(work, preparation)
  return 0
}

/**
 * One of an account's places to prepare in this process, given back by disposing; null when it has
 * none left.
 */
function takePlace(preparing: Map<string, number>, accountId: string): Disposable | null {
  const others = preparing.get(accountId) ?? 0
  if (others >= shares.prepares_under_way.limit) return null
  preparing.set(accountId, others + 1)
  return {
    [Symbol.dispose]() {
      const left = preparing.get(accountId)! - 1
      if (left > 0) preparing.set(accountId, left)
      else preparing.delete(accountId)
    },
  }
}

/** Takes those off the list whom an earlier run has put there, then ends the preparation. */
async function removeEarlierPeople(
  work: ListWork,
  { runId, afterRecipient }: Preparation,
): Promise<void> {
  const campaignId = work.campaign.id
  for (let after = afterRecipient; performance.now() < work.endsAt; ) {
    let next: string | null = null
    const done = await whilePreparing(work, async (tx) => {
      next = await removePage(tx, { campaignId, after, limit: removalPage, otherThanRun: runId })
      if (next === null) await finishList(work, tx)
      else await writeCursor(tx, campaignId, next)
      return next === null
    })
    if (done || next === null) return
    after = next
  }
}
