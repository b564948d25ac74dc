import type { FeedEntry } from '@lockstep/feeds'
import type { LockKey } from '@lockstep/locks'
import { statusChange } from '@lockstep/sending'
import { type EntryVerdict, holdBatch, type SetHandler } from '@lockstep/service'
import { parseWebhook, statuses } from '@lockstep/whatsapp'
import { validate as isUuid } from 'uuid'
import type { Context } from '../context.ts'
import { type CampaignOwner, campaignOwners } from '../db/campaigns.ts'
import { type CampaignChange, recordChanges } from '../recording.ts'

/** Adds status facts to the attempts of campaigns, all in one transaction; late, repeated and out-of-order statuses change nothing. */
export const messageStatus: SetHandler<Context> = async (ctx, entries) => {
  const owners = await campaignOwners(ctx.db, [...new Set(entries.map((entry) => entry.key))].filter(isUuid))
  const found = entries.map((entry) => ({ entry, ...readEntry(ctx, owners.get(entry.key), entry) }))
  const changes = found.flatMap(({ changes }) => changes)
  const matched = await record(ctx, changes)
  return found.map(({ entry: { id }, changes, outcome }): EntryVerdict => {
    return { id, outcome: outcome ?? (changes.some((change) => matched.has(change.attemptId)) ? 'done' : 'unmatched') }
  })
}

async function record(ctx: Context, changes: CampaignChange[]): Promise<Set<string>> {
  if (changes.length === 0) return new Set()
  await using _locks = await holdBatch(ctx, keysOf(changes))
  const accountIds = [...new Set(changes.map(({ accountId }) => accountId))]
  return await ctx.db.transaction(accountIds, (tx) => recordChanges(ctx, tx, changes))
}

/** What an entry says of attempts, or why it says nothing: only an app of the campaign's number is believed. */
function readEntry(ctx: Context, owner: CampaignOwner | undefined, entry: FeedEntry): { changes: CampaignChange[]; outcome?: string } {
  if (!owner) return { changes: [], outcome: 'unmatched' }
  if (entry.appId === undefined || !owner.appIds.includes(entry.appId)) return { changes: [], outcome: 'foreign' }
  return { changes: changesOf(ctx, owner, entry) }
}

/** The statuses of a part whose token names an attempt of this campaign; the token's tag binds them to the number. */
function changesOf(ctx: Context, { accountId, campaignId, phoneNumberId }: CampaignOwner, entry: FeedEntry): CampaignChange[] {
  return statuses(parseWebhook(entry.body)).flatMap((status) => {
    const token = status.token && status.phoneNumberId === phoneNumberId ? ctx.tokens.read(status.token, phoneNumberId) : null
    if (token?.kind !== 'c' || token.ownerId !== campaignId) return []
    const change = statusChange(status, entry.createdAtMs)
    return change ? [{ accountId, campaignId, attemptId: token.attemptId, change }] : []
  })
}

/** One key a message that Meta has named; other changes need none. */
function keysOf(changes: CampaignChange[]): LockKey[] {
  return changes.flatMap(({ change }) => ('wamid' in change && change.wamid ? { name: 'campaign_status_update', id: change.wamid } : []))
}
