import type { Method } from '@lockstep/rpc'
import type { RecordStatusesRequest, RecordStatusesResponse } from '@lockstep/rpc/gen/campaigns'
import type { Context } from '../context.ts'
import { attemptsByWamid } from '../db/queries.ts'
import { type AttemptChange, recordChanges } from '../recording.ts'
import { statusChange } from '../status-change.ts'

/** Adds status facts to attempts that are found by wamid; one transaction a campaign. Answers which wamids are campaign messages. */
export const recordStatuses: Method<Context, RecordStatusesRequest, RecordStatusesResponse> = async (ctx, request) => {
  const matchedWamids: string[] = []
  for (const [accountId, statuses] of Map.groupBy(request.statuses, (status) => status.accountId))
    matchedWamids.push(...(await recordOfAccount(ctx, accountId, statuses)))
  return { matchedWamids }
}

async function recordOfAccount(ctx: Context, accountId: string, facts: RecordStatusesRequest['statuses']): Promise<string[]> {
  const wamids = [...new Set(facts.map((status) => status.wamid))]
  const found = await ctx.db.transaction(accountId, (tx) => attemptsByWamid(tx, wamids))
  const byWamid = new Map(found.map((row) => [row.wamid, row]))
  const byCampaign = new Map<string, AttemptChange[]>()
  for (const { wamid, status, atMs, errorCode, errorWords } of facts) {
    const attempt = byWamid.get(wamid)
    const errors = errorCode === undefined ? [] : [{ code: errorCode, title: '', details: errorWords }]
    const change = statusChange({ wamid, status, timestampMs: atMs, errors }, ctx.now())
    if (!attempt || !change) continue
    const list = byCampaign.get(attempt.campaignId) ?? []
    byCampaign.set(attempt.campaignId, list)
    list.push({ attemptId: attempt.attemptId, change })
  }
  for (const [campaignId, changes] of byCampaign) await ctx.db.transaction(accountId, (tx) => recordChanges(ctx, tx, campaignId, changes))
  return [...byWamid.keys()]
}
