import type { FeedEntry } from '@lockstep/feeds'
import type { LockKey } from '@lockstep/locks'
import { type EntryVerdict, holdBatch, type SetHandler } from '@lockstep/service'
import { parseWebhook, statuses } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { campaignOwner } from '../db/queries.ts'
import { type AttemptChange, recordChanges } from '../recording.ts'
import { statusChange } from '../status-change.ts'

/** Adds status facts to the attempts of one campaign; late, repeated and out-of-order statuses change nothing. */
export const messageStatus: SetHandler<Context> = async (ctx, entries) => {
  const verdicts: EntryVerdict[] = []
  for (const [campaignId, its] of Map.groupBy(entries, (entry) => entry.key)) verdicts.push(...(await ofCampaign(ctx, campaignId, its)))
  return verdicts
}

async function ofCampaign(ctx: Context, campaignId: string, entries: FeedEntry[]): Promise<EntryVerdict[]> {
  const owner = await ctx.db.system((tx) => campaignOwner(tx, campaignId))
  if (!owner) return entries.map(({ id }) => ({ id, outcome: 'unmatched' }))
  const connection = await ctx.accounts.getConnection({ id: owner.connectionId }, { accountId: owner.accountId })
  const { phoneNumberId, appId } = connection
  const ours = entries.filter((entry) => entry.appId === appId)
  const found = ours.map((entry) => ({ entry, changes: changesOf(ctx, campaignId, phoneNumberId, entry) }))
  const changes = found.flatMap(({ changes }) => changes)
  await using _locks = await holdBatch(ctx, keysOf(changes))
  const matched = await ctx.db.transaction(owner.accountId, (tx) => recordChanges(ctx, tx, campaignId, changes))
  const verdicts: EntryVerdict[] = entries.filter((entry) => entry.appId !== appId).map(({ id }) => ({ id, outcome: 'foreign' }))
  for (const { entry, changes } of found)
    verdicts.push({ id: entry.id, outcome: changes.some((c) => matched.has(c.attemptId)) ? 'done' : 'unmatched' })
  return verdicts
}

/** The statuses of a part whose token names an attempt of this campaign; the token's tag binds them to the number. */
function changesOf(ctx: Context, campaignId: string, phoneNumberId: string, entry: FeedEntry): AttemptChange[] {
  return statuses(parseWebhook(entry.body)).flatMap((status) => {
    const token = status.token && status.phoneNumberId === phoneNumberId ? ctx.tokens.read(status.token, phoneNumberId) : null
    const change = statusChange(status, entry.createdAtMs)
    return token?.kind === 'c' && token.ownerId === campaignId && change ? [{ attemptId: token.attemptId, change }] : []
  })
}

/** One key a message that Meta has named; other changes need none. */
function keysOf(changes: AttemptChange[]): LockKey[] {
  return changes.flatMap(({ change }) => ('wamid' in change && change.wamid ? { name: 'campaign_status_update', id: change.wamid } : []))
}
