import type { Learned } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { feed } from '@lockstep/service'
import { classifyGraphError } from '@lockstep/whatsapp'
import { type Attempt, applyChange, type Change, recipientState } from './attempt.ts'
import type { Context } from './context.ts'
import {
  addStatistics,
  type LockedRecipient,
  lockRecipientsOf,
  moveCampaign,
  pauseBecauseOf,
  type RecipientChange,
  readAttempts,
  writeAttempts,
  writeRecipients,
} from './db/queries.ts'
import { count, noStatistics } from './statistics.ts'

/** One thing that became known about an attempt. */
export interface AttemptChange {
  attemptId: string
  change: Change
  /** What the send answer taught about the person, if anything. */
  learned?: Omit<Learned, 'contactId'>
}

/**
 * Writes what became known about attempts of one campaign: attempts, the state of their recipients, statistics last. The
 * only writer of outcomes and facts. Repeating it, or another order, gives the same rows. Answers the attempts found.
 */
export async function recordChanges(ctx: Context, tx: Tx, campaignId: string, changes: AttemptChange[]): Promise<Set<string>> {
  const ids = [...new Set(changes.map((c) => c.attemptId))]
  const recipients = new Map((await lockRecipientsOf(tx, campaignId, ids)).map((r) => [r.id, r]))
  const before = new Map((await readAttempts(tx, campaignId, ids)).map((a) => [a.id, a]))
  const after = new Map(before)
  const notBefore = new Map<string, Date>()
  const news: AttemptChange[] = []
  for (const item of changes) {
    const { attemptId, change, learned } = item
    const attempt = after.get(attemptId)
    if (!attempt) continue
    const next = applyChange(attempt, change)
    if (learned || !same(next, attempt)) news.push(item)
    after.set(attemptId, next)
    if ('notBefore' in change && change.notBefore) notBefore.set(attemptId, change.notBefore)
  }
  const changed = [...after.values()].filter((attempt) => !same(attempt, before.get(attempt.id)!))
  await writeAttempts(tx, changed)
  const newest = changed.filter((attempt) => recipients.get(attempt.recipientId)?.attemptId === attempt.id)
  await writeRecipients(
    tx,
    newest.map((attempt) => recipientChange(attempt, notBefore.get(attempt.id) ?? null)),
  )
  const contactOf = (attemptId: string) => recipients.get(before.get(attemptId)?.recipientId ?? '')?.contactId
  await follow(ctx, tx, campaignId, news, contactOf)
  if (newest.some((attempt) => attempt.outcome === 'not_sent' && before.get(attempt.id)!.outcome === 'unknown'))
    await goOn(ctx, tx, campaignId)
  await addStatistics(tx, campaignId, delta(newest, before, recipients))
  return new Set(before.keys())
}

function same(a: Attempt, b: Attempt): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function recipientChange(attempt: Attempt, notBefore: Date | null): RecipientChange {
  return { id: attempt.recipientId, state: recipientState(attempt), reason: attempt.words, notBefore }
}

function delta(newest: Attempt[], before: Map<string, Attempt>, recipients: Map<string, LockedRecipient>) {
  const sum = noStatistics()
  for (const attempt of newest) {
    count(sum, recipients.get(attempt.recipientId)!.state, before.get(attempt.id)!, -1)
    count(sum, recipientState(attempt), attempt, 1)
  }
  return sum
}

/** Somebody who was `unknown` is queued again: the campaign may have been completed without them. */
async function goOn(ctx: Context, tx: Tx, campaignId: string): Promise<void> {
  await moveCampaign(tx, campaignId, ['completed'], 'sending')
  await feed(ctx, tx, { lane: 'campaigns.run', key: campaignId, kind: 'queued again' })
}

/** What follows from news of attempts beyond them: contacts learn, the campaign stops where going on would hurt. */
async function follow(
  ctx: Context,
  tx: Tx,
  campaignId: string,
  news: AttemptChange[],
  contactOf: (attemptId: string) => string | undefined,
): Promise<void> {
  for (const { attemptId, change, learned } of news) {
    const contactId = contactOf(attemptId)
    const body = learned ?? optedOut(change)
    if (contactId && body)
      await feed(ctx, tx, { lane: 'contacts.learn', key: tx.accountId!, kind: 'learned', body: { ...body, contactId } satisfies Learned })
  }
  const stops = news.flatMap(({ attemptId, change }) => {
    const reason = stopWords(change)
    return reason === null ? [] : [{ attemptId, reason }]
  })
  if (stops.length === 0) return
  const { reason } = stops[0]!
  const attemptIds = stops.map(({ attemptId }) => attemptId)
  if (await pauseBecauseOf(tx, campaignId, attemptIds, reason)) ctx.log.warn({ campaignId, reason }, 'A campaign was paused by itself')
}

/** The person told WhatsApp to stop marketing: Meta says so with the failure (error 131050, meta-cloud-api.md §6). */
function optedOut(change: Change): Omit<Learned, 'contactId'> | null {
  return change.code != null && classifyGraphError(change.code).optOut ? { stoppedAtMs: change.at.getTime() } : null
}

function stopWords(change: Change): string | null {
  if (change.code == null) return null
  const { class: kind, words } = classifyGraphError(change.code)
  return kind === 'stop' ? words : null
}
