import { AppError } from '@lockstep/contracts'
import { query, sql } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type { ResendUnknownRequest, ResendUnknownResponse } from '@lockstep/rpc/gen/campaigns'
import { feed, requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { addStatistics, findCampaign, moveCampaign, noteResumed } from '../db/queries.ts'
import { noStatistics } from '../statistics.ts'
import { patienceMs } from '../unknown.ts'

/** Puts recipients whose message may or may not have gone out back into the queue, because a person says so. */
export const resendUnknown: Method<Context, ResendUnknownRequest, ResendUnknownResponse> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const { id, name, state } = await findCampaign(tx, requireId(request.campaignId, 'campaign'), { lock: true })
    if (state === 'cancelled') throw new AppError('conflict', `Campaign "${name}" is cancelled; nobody is written to any more`)
    const named = request.recipientIds
    const before = new Date(ctx.now() - patienceMs)
    const queued = await query<{ id: string }>(
      tx,
      sql`with chosen as (select r.id from recipients r join attempts a on a.id = r.attempt_id
                          where r.campaign_id = ${id} and r.state = 'unknown'
                            and case when ${named.length > 0} then r.id = any(${named}::bigint[]) else a.claimed_at < ${before} end
                          order by r.id for update of r)
          update recipients r set state = 'queued', reason = 'to be sent again on a person''s order', not_before = null, ordered_at = now()
          from chosen where r.id = chosen.id returning r.id::text`,
    )
    if (queued.length === 0) return { queued: 0 }
    if (await moveCampaign(tx, id, ['completed'], 'sending')) await noteResumed(tx, id)
    await feed(ctx, tx, { lane: 'campaigns.run', key: id, kind: 'resumed' })
    await addStatistics(tx, id, { ...noStatistics(), unknown: -queued.length, queued: queued.length })
    return { queued: queued.length }
  })
