import type { SendQueue } from '@lockstep/sending'
import type { FencedLock } from '@lockstep/service'
import { buildTemplateMessage, type SendableTemplate } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import type { Campaign } from '../db/entities.ts'
import {
  type ClaimedRecipient,
  claimRecipients,
  queueStatus,
  recipientsOfContacts,
} from '../db/recipients.ts'
import { addStatistics } from '../db/statistics.ts'
import { recordRefusals, refusalsIn } from '../outcomes/refusals.ts'
import { applyOutcomes } from '../outcomes/refused-run.ts'
import { stateChange } from '../outcomes/statistics.ts'

/**
 * Recipients that one look at the queue counts, at most: it is looked at again when they are
 * claimed.
 */
const maxReady = 1_000

/** A campaign's recipients as messages to be sent; only claims need the lock. */
export function campaignQueue(
  ctx: Context,
  campaign: Campaign,
  template: SendableTemplate,
  lock: FencedLock,
): SendQueue<ClaimedRecipient> {
  const { id, accountId } = campaign
  return {
    accountId,
    owner: { kind: 'c', id },
    async state() {
      const { state, ready, nextMs, sending } = await ctx.db.transaction(accountId, (tx) =>
        queueStatus(tx, id, maxReady),
      )
      return state === 'sending'
        ? { kind: 'open', ready, nextMs, underWay: sending }
        : { kind: 'stopped' }
    },
    claim: (limit) =>
      lock.transaction(accountId, async (tx) => {
        const claimed = await claimRecipients(tx, id, limit, lock.fence.token)
        const variants = claimed.map(({ variant }) => variant)
        await addStatistics(tx, stateChange(id, variants, 'queued', 'sending'))
        return claimed
      }),
    otherMessages: (contactIds) =>
      ctx.db.transaction(accountId, (tx) => recipientsOfContacts(tx, id, contactIds)),
    compose: ({ values }, to, token) => buildTemplateMessage({ template, to, values, token }),
    async write(outcomes) {
      const refusals = outcomes.flatMap(({ attemptId, change }) =>
        refusalsIn({ accountId, campaignId: id, attemptId }, [change.code], change.at),
      )
      await recordRefusals(ctx, refusals)
      return ctx.db.transaction(accountId, (tx) => applyOutcomes(ctx, tx, campaign, outcomes))
    },
  }
}
