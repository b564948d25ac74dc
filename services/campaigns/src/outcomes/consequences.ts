import type { IdentityUpdate } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { AttemptChange } from '@lockstep/sending'
import { feed } from '@lockstep/service'
import { classifyGraphError } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { lockCampaigns } from '../db/campaigns.ts'
import { moveCampaign, pauseBecauseOf } from '../lifecycle/move-campaign.ts'
import type { CampaignChange } from './campaign-change.ts'

interface Consequences {
  /** The changes that had an effect. */
  changes: CampaignChange[]
  /** Campaigns in which somebody is queued again whose outcome nobody knew. */
  requeued: string[]
  contactOf(attemptId: string): string | undefined
}

/**
 * What follows from changes elsewhere: identity updates go to contacts, campaigns pause or go on.
 */
export async function emitConsequences(
  ctx: Context,
  tx: Tx,
  { changes, requeued, contactOf }: Consequences,
): Promise<void> {
  await emitIdentityUpdates(ctx, tx, changes, contactOf)
  const pauses = changes.flatMap((item) => {
    const reason = pauseReason(item.change)
    return reason === null ? [] : [{ ...item, reason }]
  })
  const ids = new Set([...pauses.map(({ campaignId }) => campaignId), ...requeued])
  if (ids.size === 0) return
  // Whoever completes one at this moment either sees the queued recipient, or is seen here.
  await lockCampaigns(tx, [...ids])
  for (const [campaignId, own] of Map.groupBy(pauses, (pause) => pause.campaignId)) {
    const { reason } = own[0]!
    const attemptIds = own.map(({ attemptId }) => attemptId)
    if (await pauseBecauseOf(ctx, tx, campaignId, attemptIds, reason))
      ctx.log.warn({ campaignId, reason }, 'A campaign was paused by itself')
  }
  const accounts = new Map(changes.map(({ campaignId, accountId }) => [campaignId, accountId]))
  for (const id of new Set(requeued)) await requeueCampaign(ctx, tx, id, accounts.get(id)!)
}

/** One entry an account: it costs as much as what it says about ten people. */
async function emitIdentityUpdates(
  ctx: Context,
  tx: Tx,
  changes: CampaignChange[],
  contactOf: Consequences['contactOf'],
): Promise<void> {
  const found = changes.flatMap(({ accountId, attemptId, identityUpdate }) => {
    const contactId = contactOf(attemptId)
    return contactId && identityUpdate
      ? [{ accountId, update: { ...identityUpdate, contactId } }]
      : []
  })
  const entries = [...Map.groupBy(found, ({ accountId }) => accountId)].map(([accountId, own]) => {
    const body: IdentityUpdate[] = own.map(({ update }) => update)
    return {
      lane: 'contacts.identity-updates',
      key: accountId,
      kind: 'identity_update',
      accountId,
      body,
    } as const
  })
  await feed(ctx, tx, ...entries)
}

async function requeueCampaign(
  ctx: Context,
  tx: Tx,
  campaignId: string,
  accountId: string,
): Promise<void> {
  await moveCampaign(ctx, tx, campaignId, ['completed'], 'sending')
  await feed(ctx, tx, { lane: 'campaigns.run', key: campaignId, kind: 'queued again', accountId })
}

/** Why a campaign must not go on after a change; null when it may. */
function pauseReason(change: AttemptChange): string | null {
  if ('isStop' in change) return change.isStop ? (change.reason ?? '') : null
  if (change.kind !== 'failed' || change.code == null) return null
  const { class: kind, message } = classifyGraphError(change.code)
  return kind === 'stop' ? message : null
}
