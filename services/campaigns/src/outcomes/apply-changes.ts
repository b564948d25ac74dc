import type { Tx } from '@lockstep/database'
import { applyChange, type OutcomeChange, recipientState, sameAttempt } from '@lockstep/sending'
import type { Context } from '../context.ts'
import { type AttemptKey, readAttempts, type StoredAttempt, writeAttempts } from '../db/attempts.ts'
import {
  type LockedRecipient,
  lockRecipientsOf,
  type RecipientChange,
  writeRecipients,
} from '../db/recipients.ts'
import { addStatistics } from '../db/statistics.ts'
import type { CampaignChange } from './campaign-change.ts'
import { emitConsequences } from './consequences.ts'
import { count, noStatistics, type StatisticsDelta } from './statistics.ts'

/**
 * Writes changes of attempts and all that follows; the only writer of outcomes and statuses.
 * Answers the attempts found.
 */
export async function applyChanges(
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
  const { after, outcomes, effective } = merge(before, changes)
  const changed = [...after.values()].filter(
    (attempt) => !sameAttempt(attempt, before.get(attempt.id)!),
  )
  await writeAttempts(tx, changed)
  const newest = changed.flatMap((attempt): RecipientMove[] => {
    const recipient = recipients.get(attempt.recipientId)
    if (recipient?.attemptId !== attempt.id) return []
    return [{ recipient, before: before.get(attempt.id)!, after: attempt }]
  })
  await writeRecipients(
    tx,
    newest.map(({ after }) => recipientChange(after, outcomes.get(after.id))),
  )
  await emitConsequences(ctx, tx, {
    changes: effective,
    requeued: newest.filter(isRequeued).map(({ after }) => after.campaignId),
    contactOf: (attemptId) => recipients.get(before.get(attemptId)?.recipientId ?? '')?.contactId,
  })
  await addStatistics(tx, statisticsOf(newest))
  return new Set(before.keys())
}

/** The attempts after all changes, the last outcome of each, and the changes that had an effect. */
function merge(before: ReadonlyMap<string, StoredAttempt>, changes: CampaignChange[]) {
  const after = new Map(before)
  const outcomes = new Map<string, OutcomeChange>()
  const effective: CampaignChange[] = []
  for (const item of changes) {
    const { attemptId, campaignId, change, identityUpdate } = item
    const attempt = after.get(attemptId)
    if (attempt?.campaignId !== campaignId) continue
    const next = applyChange(attempt, change)
    if (identityUpdate || !sameAttempt(next, attempt)) effective.push(item)
    after.set(attemptId, { ...next, campaignId })
    if ('notBefore' in change || 'sentTo' in change || 'isStop' in change)
      outcomes.set(attemptId, change)
  }
  return { after, outcomes, effective }
}

/** An attempt whose outcome nobody knew turns out not to have been sent. */
const isRequeued = ({ before, after }: RecipientMove): boolean =>
  after.outcome === 'not_sent' && before.outcome === 'unknown'

function recipientChange(
  attempt: StoredAttempt,
  outcome: OutcomeChange | undefined,
): RecipientChange {
  const { campaignId, recipientId, reason } = attempt
  return {
    campaignId,
    id: recipientId,
    state: recipientState(attempt),
    reason: outcome?.isStop ? (outcome.reason ?? '') : reason,
    notBefore: outcome?.notBefore ?? null,
    sentTo: outcome?.sentTo ?? null,
  }
}

/** The newest attempt of a recipient, before and after. */
interface RecipientMove {
  recipient: LockedRecipient
  before: StoredAttempt
  after: StoredAttempt
}

function statisticsOf(changes: RecipientMove[]): StatisticsDelta[] {
  const sums = new Map<string, StatisticsDelta>()
  for (const { recipient, before, after } of changes) {
    const { campaignId } = after
    const { variant, state } = recipient
    const key = `${campaignId} ${variant}`
    const sum = sums.get(key) ?? { ...noStatistics(), campaignId, variant }
    sums.set(key, sum)
    count(sum, state, before, -1)
    count(sum, recipientState(after), after, 1)
  }
  return [...sums.values()]
}
