import type { EntryOutcome } from '@lockstep/contracts'
import type { FeedEntry } from '@lockstep/feeds'
import type { LockKey } from '@lockstep/locks'
import { statusChange } from '@lockstep/sending'
import { type EntryResult, holdBatch, type SetHandler } from '@lockstep/service'
import { metaTimeMs, parseWebhook, statuses } from '@lockstep/whatsapp'
import { validate as isUuid } from 'uuid'
import type { Context } from '../context.ts'
import { type CampaignOwner, campaignOwners } from '../db/campaigns.ts'
import { applyChanges } from '../outcomes/apply-changes.ts'
import type { CampaignChange } from '../outcomes/campaign-change.ts'
import { type RecipientRefusal, recordRefusals, refusalsIn } from '../outcomes/refusals.ts'

/**
 * Records refusals with contacts, then statuses of attempts; late, repeated and out-of-order ones
 * change nothing.
 */
export const messageStatus: SetHandler<Context> = async (ctx, entries) => {
  const owners = await campaignOwners(
    ctx.db,
    [...new Set(entries.map((entry) => entry.key))].filter(isUuid),
  )
  const found = entries.map((entry) => ({ entry, ...readEntry(ctx, owners.get(entry.key), entry) }))
  const changes = found.flatMap(({ changes }) => changes)
  const matched = await record(
    ctx,
    changes,
    found.flatMap(({ refused }) => refused),
  )
  return found.map(({ entry: { id }, changes, outcome }): EntryResult => {
    return {
      id,
      outcome:
        outcome ?? (changes.some((change) => matched.has(change.attemptId)) ? 'done' : 'no_match'),
    }
  })
}

async function record(
  ctx: Context,
  changes: CampaignChange[],
  refused: RecipientRefusal[],
): Promise<Set<string>> {
  await recordRefusals(ctx, refused)
  if (changes.length === 0) return new Set()
  await using _locks = await holdBatch(ctx, locksOfChanges(changes))
  const accountIds = [...new Set(changes.map(({ accountId }) => accountId))]
  return await ctx.db.transaction(accountIds, (tx) => applyChanges(ctx, tx, changes))
}

/** What an entry says of attempts and their recipients, or why it says nothing. */
interface Read {
  changes: CampaignChange[]
  refused: RecipientRefusal[]
  outcome?: EntryOutcome
}

/** Only an app of the campaign's number is believed. */
function readEntry(ctx: Context, owner: CampaignOwner | undefined, entry: FeedEntry): Read {
  if (!owner) return { changes: [], refused: [], outcome: 'no_match' }
  if (entry.appId === undefined || !owner.appIds.includes(entry.appId))
    return { changes: [], refused: [], outcome: 'wrong_app' }
  return readStatuses(ctx, owner, entry)
}

/**
 * The statuses of a part whose token names an attempt of this campaign; the token's tag binds them
 * to the number.
 */
function readStatuses(
  ctx: Context,
  { accountId, campaignId, phoneNumberId }: CampaignOwner,
  entry: FeedEntry,
): Read {
  const read: Read = { changes: [], refused: [] }
  for (const status of statuses(parseWebhook(entry.body))) {
    const token =
      status.token && status.phoneNumberId === phoneNumberId
        ? ctx.tokens.read(status.token, phoneNumberId)
        : null
    if (token?.kind !== 'c' || token.ownerId !== campaignId) continue
    const attempt = { accountId, campaignId, attemptId: token.attemptId }
    const at = new Date(metaTimeMs(status.timestampMs, entry.asOfMs))
    const codes = status.errors.map(({ code }) => code)
    read.refused.push(...refusalsIn(attempt, codes, at))
    const change = statusChange(status, entry.asOfMs)
    if (change) read.changes.push({ ...attempt, change })
  }
  return read
}

/** One key a message that Meta has named; other changes need none. */
function locksOfChanges(changes: CampaignChange[]): LockKey[] {
  return changes.flatMap(({ change }) =>
    'wamid' in change && change.wamid ? { name: 'campaign_status_update', id: change.wamid } : [],
  )
}
