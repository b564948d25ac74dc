import type { IdentityUpdate } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import {
  type Attempt,
  applyChange,
  type Change,
  type OutcomeChange,
  recipientState,
  sameAttempt,
} from '@lockstep/sending'
import { feed } from '@lockstep/service'
import { classifyGraphError } from '@lockstep/whatsapp'
import type { Context } from './context.ts'
import { type AttemptKey, readAttempts, type StoredAttempt, writeAttempts } from './db/attempts.ts'
import { lockCampaigns, moveCampaign, pauseBecauseOf } from './db/campaigns.ts'
import {
  type LockedRecipient,
  lockRecipientsOf,
  type RecipientChange,
  writeRecipients,
} from './db/recipients.ts'
import { addStatistics } from './db/statistics.ts'
import { count, noStatistics, type StatisticsDelta } from './statistics.ts'

/** One thing that became known about an attempt. */
export interface AttemptChange {
  attemptId: string
  change: Change
  /** What the send answer taught about the person, if anything. */
  identityUpdate?: Omit<IdentityUpdate, 'contactId'>
}

/** The campaign of a change, and whose it is. */
export type CampaignChange = AttemptChange & { accountId: string; campaignId: string }

/** Changes of one campaign. */
export const changesOf = (
  accountId: string,
  campaignId: string,
  changes: AttemptChange[],
): CampaignChange[] => changes.map((change) => ({ ...change, accountId, campaignId }))

/**
 * Writes what became known about attempts of campaigns: attempts, the state of their recipients, statistics last. The only
 * writer of outcomes and facts. Repeating it, or another order, gives the same rows. Answers the attempts found.
 */
export async function recordChanges(
  ctx: Context,
  tx: Tx,
  changes: CampaignChange[],
): Promise<Set<string>> {
  const keys = [
    ...new Map(changes.map((change): [string, AttemptKey] => [change.attemptId, change])).values(),
  ]
  if (keys.length === 0) return new Set()
  const recipients = new Map((await lockRecipientsOf(tx, keys)).map((r) => [r.id, r]))
  const before = new Map((await readAttempts(tx, keys)).map((a) => [a.id, a]))
  const after = new Map(before)
  const outcomes = new Map<string, OutcomeChange>()
  const news: CampaignChange[] = []
  for (const item of changes) {
    const { attemptId, change, identityUpdate } = item
    const attempt = after.get(attemptId)
    if (attempt?.campaignId !== item.campaignId) continue
    const next = applyChange(attempt, change)
    if (identityUpdate || !sameAttempt(next, attempt)) news.push(item)
    after.set(attemptId, { ...next, campaignId: item.campaignId })
    if ('notBefore' in change || 'sentTo' in change || 'isStop' in change)
      outcomes.set(attemptId, change)
  }
  const changed = [...after.values()].filter(
    (attempt) => !sameAttempt(attempt, before.get(attempt.id)!),
  )
  await writeAttempts(tx, changed)
  const newest = changed.filter(
    (attempt) => recipients.get(attempt.recipientId)?.attemptId === attempt.id,
  )
  await writeRecipients(
    tx,
    newest.map((attempt) => recipientChange(attempt, outcomes.get(attempt.id))),
  )
  await updateIdentities(
    ctx,
    tx,
    news,
    (attemptId) => recipients.get(before.get(attemptId)?.recipientId ?? '')?.contactId,
  )
  const again = newest.filter(
    (attempt) => attempt.outcome === 'not_sent' && before.get(attempt.id)!.outcome === 'unknown',
  )
  await moveCampaigns(ctx, tx, news, again)
  await addStatistics(tx, deltas(newest, before, recipients))
  return new Set(before.keys())
}

function recipientChange(
  attempt: StoredAttempt,
  outcome: OutcomeChange | undefined,
): RecipientChange {
  const { campaignId, recipientId, words } = attempt
  return {
    campaignId,
    id: recipientId,
    state: recipientState(attempt),
    reason: outcome?.isStop ? (outcome.words ?? '') : words,
    notBefore: outcome?.notBefore ?? null,
    sentTo: outcome?.sentTo ?? null,
  }
}

function deltas(
  newest: StoredAttempt[],
  before: Map<string, Attempt>,
  recipients: Map<string, LockedRecipient>,
): StatisticsDelta[] {
  const sums = new Map<string, StatisticsDelta>()
  for (const attempt of newest) {
    const { campaignId } = attempt
    const { variant, state } = recipients.get(attempt.recipientId)!
    const key = `${campaignId} ${variant}`
    const sum = sums.get(key) ?? { ...noStatistics(), campaignId, variant }
    sums.set(key, sum)
    count(sum, state, before.get(attempt.id)!, -1)
    count(sum, recipientState(attempt), attempt, 1)
  }
  return [...sums.values()]
}

/** One entry an account: an entry costs as much as what it tells about ten people. */
async function updateIdentities(
  ctx: Context,
  tx: Tx,
  news: CampaignChange[],
  contactOf: (attemptId: string) => string | undefined,
): Promise<void> {
  const byAccount = new Map<string, IdentityUpdate[]>()
  for (const { accountId, attemptId, identityUpdate } of news) {
    const contactId = contactOf(attemptId)
    if (!contactId || !identityUpdate) continue
    const list = byAccount.get(accountId) ?? []
    byAccount.set(accountId, list)
    list.push({ ...identityUpdate, contactId })
  }
  const entries = [...byAccount].map(
    ([accountId, body]) =>
      ({
        lane: 'contacts.identity-updates',
        key: accountId,
        kind: 'identity_update',
        accountId,
        body,
      }) as const,
  )
  await feed(ctx, tx, ...entries)
}

/** Campaigns stop where going on would hurt, and go on where somebody is queued again. */
async function moveCampaigns(
  ctx: Context,
  tx: Tx,
  news: CampaignChange[],
  again: StoredAttempt[],
): Promise<void> {
  const stops = news.flatMap((item) => {
    const reason = stopWords(item.change)
    return reason === null ? [] : [{ ...item, reason }]
  })
  const ids = new Set([...stops, ...again].map(({ campaignId }) => campaignId))
  if (ids.size === 0) return
  // Whoever completes one at this moment either sees the queued recipient, or is seen here.
  await lockCampaigns(tx, [...ids])
  for (const [campaignId, own] of Map.groupBy(stops, (stop) => stop.campaignId)) {
    const { reason } = own[0]!
    const attemptIds = own.map(({ attemptId }) => attemptId)
    if (await pauseBecauseOf(tx, campaignId, attemptIds, reason))
      ctx.log.warn({ campaignId, reason }, 'A campaign was paused by itself')
  }
  const accounts = new Map(news.map(({ campaignId, accountId }) => [campaignId, accountId]))
  for (const campaignId of new Set(again.map((attempt) => attempt.campaignId))) {
    await moveCampaign(tx, campaignId, ['completed'], 'sending')
    await feed(ctx, tx, {
      lane: 'campaigns.run',
      key: campaignId,
      kind: 'queued again',
      accountId: accounts.get(campaignId)!,
    })
  }
}

function stopWords(change: Change): string | null {
  if ('isStop' in change) return change.isStop ? (change.words ?? '') : null
  if (change.kind !== 'failed' || change.code == null) return null
  const { class: kind, words } = classifyGraphError(change.code)
  return kind === 'stop' ? words : null
}
