import type { CampaignState } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { announce } from '@lockstep/feeds'
import type { Context } from '../context.ts'
import { writeMove, writePauseBecauseOf } from '../db/campaigns.ts'
import type { Campaign } from '../db/entities.ts'

type Announces = Pick<Context, 'config' | 'messaging'>

/** Tells those who follow the account that a campaign has come into a state. */
export function announceState(
  ctx: Announces,
  tx: Tx,
  { id, accountId, state, reason }: Pick<Campaign, 'id' | 'accountId' | 'state' | 'reason'>,
): Promise<void> {
  const event = { kind: 'campaign.state', subjectId: id, body: { state, reason } } as const
  return announce(ctx, tx, { ...event, accountId })
}

/** Moves a campaign on from one of `from`; false when it is in none of them. */
export async function moveCampaign(
  ctx: Announces,
  tx: Tx,
  id: string,
  from: CampaignState[],
  to: CampaignState,
  change: { reason?: string; finishedAt?: Date } = {},
): Promise<boolean> {
  const accountId = await writeMove(tx, id, from, to, change)
  if (accountId === undefined) return false
  await announceState(ctx, tx, { id, accountId, state: to, reason: change.reason ?? '' })
  return true
}

/**
 * Pauses a sending campaign for what became known of attempts; false when a person has ordered it
 * to go on since they were claimed.
 */
export async function pauseBecauseOf(
  ctx: Announces,
  tx: Tx,
  id: string,
  attemptIds: string[],
  reason: string,
): Promise<boolean> {
  const accountId = await writePauseBecauseOf(tx, id, attemptIds, reason)
  if (accountId === undefined) return false
  await announceState(ctx, tx, { id, accountId, state: 'paused', reason })
  return true
}
