import type { Tx } from '@lockstep/database'
import type { MessageOutcome, OutcomeChange, QueueState } from '@lockstep/sending'
import { classifyGraphError } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { hasAccepted, putBackRun, type RefusalKind, runOf } from '../db/attempts.ts'
import { addRefusedRun, lockCampaigns } from '../db/campaigns.ts'
import { addStatistics } from '../db/statistics.ts'
import { pauseBecauseOf } from '../lifecycle/move-campaign.ts'
import { applyChanges } from './apply-changes.ts'
import { campaignChanges } from './campaign-change.ts'
import { stateChange } from './statistics.ts'

/** A kind of refusal with the attempts of one group of outcomes that it met. */
interface RefusedGroup extends RefusalKind {
  attemptIds: string[]
}

/**
 * So many alike stop a campaign, and twice as many each time that a person lets it go on all the
 * same.
 */
export const runLength = (stops: number): number => 10 * 2 ** stops

/**
 * Records outcomes. When Meta took no message and refused many alike, those who were refused are
 * queued again, and the campaign pauses.
 */
export async function applyOutcomes(
  ctx: Context,
  tx: Tx,
  campaign: { id: string; accountId: string },
  outcomes: MessageOutcome[],
): Promise<QueueState['kind']> {
  const { id, accountId } = campaign
  const full: RefusedGroup[] = []
  const groups = refusedGroups(outcomes)
  if (groups.length > 0 && !(await hasAccepted(tx, id))) {
    // Of two that record at this moment the second sees what the first has counted.
    await lockCampaigns(tx, [id])
    for (const group of groups) if (await isFull(tx, id, group)) full.push(group)
  }
  const back = new Set(full.flatMap(({ attemptIds }) => attemptIds))
  const changes = outcomes.map((item) =>
    back.has(item.attemptId) ? { ...item, change: putBack(item.change) } : item,
  )
  await applyChanges(ctx, tx, campaignChanges(accountId, id, changes))
  for (const group of full) await stop(ctx, tx, id, group)
  return full.length > 0 ? 'stopped' : 'open'
}

/** The refusals in a group of outcomes that may meet everybody; none where one was accepted. */
function refusedGroups(outcomes: readonly MessageOutcome[]): RefusedGroup[] {
  if (outcomes.some(({ change }) => change.kind === 'accepted')) return []
  const groups = new Map<string, RefusedGroup>()
  for (const { attemptId, change } of outcomes) {
    const { kind, code = null, reason = '' } = change
    if (kind !== 'rejected' || classifyGraphError(code).scope === 'recipient') continue
    const key = code === null ? reason : String(code)
    const group = groups.get(key) ?? { code, reason, attemptIds: [] }
    group.attemptIds.push(attemptId)
    groups.set(key, group)
  }
  return [...groups.values()]
}

async function isFull(tx: Tx, campaignId: string, group: RefusedGroup): Promise<boolean> {
  const { refused, isStopped, stops } = await runOf(tx, campaignId, group, group.attemptIds)
  return isStopped || refused + group.attemptIds.length >= runLength(stops)
}

/** Certainly not sent, with what Meta answered. */
const putBack = ({ at, code, reason }: OutcomeChange): OutcomeChange => ({
  kind: 'not_sent',
  at,
  code: code ?? null,
  reason: reason ?? '',
})

async function stop(
  ctx: Context,
  tx: Tx,
  campaignId: string,
  { attemptIds, ...refusal }: RefusedGroup,
): Promise<void> {
  const variants = await putBackRun(tx, campaignId, refusal)
  await addStatistics(tx, stateChange(campaignId, variants, 'rejected', 'queued'))
  const count = variants.length + attemptIds.length
  const why = `Meta has taken no message, and refused ${count} alike: ${refusal.reason.replace(/\.$/, '')}`
  const reason = `${why}. Nobody is lost: they wait to be written to. Mend it, then resume.`
  if (!(await pauseBecauseOf(ctx, tx, campaignId, attemptIds, reason))) return
  await addRefusedRun(tx, campaignId)
  ctx.log.warn(
    { campaignId, reason },
    'A campaign was paused because Meta refuses every message alike',
  )
}
