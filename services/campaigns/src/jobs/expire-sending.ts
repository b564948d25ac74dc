import { query, sql } from '@lockstep/database'
import type { Context } from '../context.ts'
import { staleAttempts } from '../db/attempts.ts'
import { changesOf, recordChanges } from '../recording.ts'

/** Attempts of one campaign in one run. */
const batch = 500
/** Campaigns in one run. */
const maxCampaigns = 1_000

/**
 * An attempt that still waits for its outcome after twice the time-out lost its process between claim and answer. Whether it
 * went out can't be known: it becomes unknown, never queued; its status webhook, or a person, resolves it.
 */
export async function expireSending(ctx: Context): Promise<void> {
  const before = new Date(ctx.now() - ctx.staleAfterMs)
  const stale = await ctx.db.system((tx) =>
    query<{ accountId: string; campaignId: string }>(
      tx,
      sql`select account_id as "accountId", campaign_id as "campaignId" from campaigns_with_stale_sending(${before}, ${maxCampaigns})`,
    ),
  )
  for (const { accountId, campaignId } of stale) {
    try {
      await expire(ctx, accountId, campaignId, before)
    } catch (error) {
      ctx.log.error(
        { err: error, campaignId },
        'Attempts of a process that died could not be made unknown yet',
      )
    }
  }
}

async function expire(
  ctx: Context,
  accountId: string,
  campaignId: string,
  before: Date,
): Promise<void> {
  const expired = await ctx.db.transaction(accountId, async (tx) => {
    const ids = await staleAttempts(tx, campaignId, before, batch)
    const change = {
      kind: 'unknown',
      at: new Date(ctx.now()),
      words: 'The process that sent it ended before Meta answered',
    } as const
    const changes = ids.map((attemptId) => ({ attemptId, change }))
    await recordChanges(ctx, tx, changesOf(accountId, campaignId, changes))
    return ids.length
  })
  ctx.log.warn({ campaignId, attempts: expired }, 'Attempts of a process that died are unknown now')
}
