import type { Tx } from '@lockstep/database'
import type { MessageOutcome, OutcomeChange, QueueState } from '@lockstep/sending'
import { classifyGraphError } from '@lockstep/whatsapp'
import type { Context } from './context.ts'
import { lockCampaigns, pauseBecauseOf } from './db/campaigns.ts'
import { hasAccepted, noteRun, putBackRun, type Refusal, runOf } from './db/refused-runs.ts'
import { addStatistics } from './db/statistics.ts'
import { changesOf, recordChanges } from './recording.ts'
import { moved } from './statistics.ts'

/** A refusal with the attempts of one group of outcomes that it met. */
interface RefusedGroup extends Refusal {
  attemptIds: string[]
}

/** So many of the same refusal stop a campaign, and twice as many each time that a person lets it go on all the same. */
export const runLength = (stops: number): number => 10 * 2 ** stops

/**
 * Records outcomes of a campaign. When Meta has taken no message and refused many alike, it is everybody's message that is wrong: whoever
 * was refused goes back into the queue, and the campaign pauses.
 */
export async function recordOutcomes(
  ctx: Context,
  tx: Tx,
  campaign: { id: string; accountId: string },
  outcomes: MessageOutcome[],
): Promise<QueueState['kind']> {
  const { id, accountId } = campaign
  const over: RefusedGroup[] = []
  const groups = refusedGroups(outcomes)
  if (groups.length > 0 && !(await hasAccepted(tx, id))) {
    // Of two that record at this moment the second sees what the first has counted.
    await lockCampaigns(tx, [id])
    for (const group of groups) if (await isOver(tx, id, group)) over.push(group)
  }
  const back = new Set(over.flatMap(({ attemptIds }) => attemptIds))
  const changes = outcomes.map((item) =>
    back.has(item.attemptId) ? { ...item, change: putBack(item.change) } : item,
  )
  await recordChanges(ctx, tx, changesOf(accountId, id, changes))
  for (const group of over) await stop(ctx, tx, id, group)
  return over.length > 0 ? 'stopped' : 'open'
}

/** The refusals in a group of outcomes that may meet everybody; none where one was accepted. */
export function refusedGroups(outcomes: readonly MessageOutcome[]): RefusedGroup[] {
  if (outcomes.some(({ change }) => change.kind === 'accepted')) return []
  const groups = new Map<string, RefusedGroup>()
  for (const { attemptId, change } of outcomes) {
    const { kind, code = null, words = '' } = change
    if (kind !== 'rejected' || classifyGraphError(code).scope === 'recipient') continue
    const key = code === null ? words : String(code)
    const group = groups.get(key) ?? { code, words, attemptIds: [] }
    group.attemptIds.push(attemptId)
    groups.set(key, group)
  }
  return [...groups.values()]
}

async function isOver(tx: Tx, campaignId: string, group: RefusedGroup): Promise<boolean> {
  const { refused, isStopped, stops } = await runOf(tx, campaignId, group, group.attemptIds)
  return isStopped || refused + group.attemptIds.length >= runLength(stops)
}

/** Certainly not sent, with what Meta answered. */
const putBack = ({ at, code, words }: OutcomeChange): OutcomeChange => ({
  kind: 'not_sent',
  at,
  code: code ?? null,
  words: words ?? '',
})

async function stop(
  ctx: Context,
  tx: Tx,
  campaignId: string,
  { words, attemptIds, ...refusal }: RefusedGroup,
): Promise<void> {
  const variants = await putBackRun(tx, campaignId, { ...refusal, words })
  await addStatistics(tx, moved(campaignId, variants, 'rejected', 'queued'))
  const why = `Meta has taken no message, and refused ${variants.length + attemptIds.length} alike: ${words.replace(/\.$/, '')}`
  const reason = `${why}. Nobody is lost: they wait to be written to. Mend it, then resume.`
  if (!(await pauseBecauseOf(tx, campaignId, attemptIds, reason))) return
  await noteRun(tx, campaignId)
  ctx.log.warn(
    { campaignId, reason },
    'A campaign was paused because Meta refuses every message alike',
  )
}
