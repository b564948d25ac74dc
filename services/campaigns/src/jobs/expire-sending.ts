import { query, sql } from '@lockstep/database'
import type { Context } from '../context.ts'
import { staleAttempts } from '../db/queries.ts'
import { recordChanges } from '../recording.ts'

const batch = 500

/**
 * An attempt that still waits for its outcome after twice the time-out lost its process between claim and answer. Whether it
 * went out can't be known: it becomes unknown, never queued; its status webhook, or a person, resolves it.
 */
export async function expireSending(ctx: Context): Promise<void> {
  const before = new Date(ctx.now() - 2 * ctx.graphTimeoutMs)
  const stale = await ctx.db.system((tx) =>
    query<{ accountId: string; campaignId: string }>(
      tx,
      sql`select account_id as "accountId", campaign_id as "campaignId" from campaigns_with_stale_sending(${before})`,
    ),
  )
  for (const { accountId, campaignId } of stale)
    await ctx.db.transaction(accountId, async (tx) => {
      const ids = await staleAttempts(tx, campaignId, before, batch)
      const change = { kind: 'unknown', at: new Date(ctx.now()), words: 'The process that sent it ended before Meta answered' } as const
      await recordChanges(
        ctx,
        tx,
        campaignId,
        ids.map((attemptId) => ({ attemptId, change })),
      )
      ctx.log.warn({ campaignId, attempts: ids.length }, 'Attempts of a process that died are unknown now')
    })
}
